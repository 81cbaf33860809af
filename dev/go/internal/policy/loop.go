package policy

import (
	"context"
	"sync"
	"time"
)

const (
	// pause between two runs, so that a burst of changes costs one of them.
	pause = 50 * time.Millisecond
	// retry after a run that failed.
	retry = time.Second
	// refresh puts the table back if something else removed it.
	refresh = 30 * time.Second
)

// loop runs a function soon after it was asked to, one run at a time; what is asked during a run starts one more.
type loop struct {
	run func() error

	mutex   sync.Mutex
	wake    chan struct{}
	asked   uint64        // number of requests so far
	settled uint64        // requests that a finished, successful run covers
	changed chan struct{} // closed and replaced when settled grows
}

func newLoop(run func() error) *loop {
	return &loop{run: run, wake: make(chan struct{}, 1), changed: make(chan struct{})}
}

// ask requests a run and returns its number for wait.
func (l *loop) ask() uint64 {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.asked++
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return l.asked
}

// wait returns once a run that began after request number asked has succeeded.
func (l *loop) wait(ctx context.Context, asked uint64) error {
	for {
		l.mutex.Lock()
		done, changed := l.settled >= asked, l.changed
		l.mutex.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// start serves requests until the context ends. report is called with each error of the function.
func (l *loop) start(ctx context.Context, report func(error)) {
	next := refresh
	for {
		select {
		case <-l.wake:
		case <-time.After(next):
		case <-ctx.Done():
			return
		}
		l.mutex.Lock()
		covered := l.asked
		l.mutex.Unlock()
		next = refresh
		if err := l.run(); err != nil {
			report(err)
			next = retry
		} else {
			l.mutex.Lock()
			l.settled = covered
			close(l.changed)
			l.changed = make(chan struct{})
			l.mutex.Unlock()
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}
