package policy

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

func TestWaitReturnsAfterARunThatBeganAfterTheRequest(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var runs atomic.Int32
	entered, proceed := make(chan struct{}, 8), make(chan struct{}, 8)
	l := newLoop(func() error {
		runs.Add(1)
		entered <- struct{}{}
		<-proceed
		return nil
	})
	go l.start(ctx, func(err error) { t.Error(err) })
	l.ask()
	<-entered
	during := l.ask() // the run in progress may have read the state before this
	proceed <- struct{}{}
	<-entered
	proceed <- struct{}{}
	if err := l.wait(ctx, during); err != nil {
		t.Fatal(err)
	}
	if got := runs.Load(); got != 2 {
		t.Errorf("%d runs, wanted 2", got)
	}
}

func TestAFailedRunSettlesNothingAndIsTriedAgain(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var runs, reports atomic.Int32
	l := newLoop(func() error {
		if runs.Add(1) == 1 {
			return errors.New("no")
		}
		return nil
	})
	go l.start(ctx, func(error) { reports.Add(1) })
	if err := l.wait(ctx, l.ask()); err != nil {
		t.Fatal(err)
	}
	if runs.Load() != 2 || reports.Load() != 1 {
		t.Errorf("%d runs and %d reports, wanted 2 and 1", runs.Load(), reports.Load())
	}
}

func TestABurstOfRequestsIsFewRuns(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var runs atomic.Int32
	l := newLoop(func() error { runs.Add(1); return nil })
	go l.start(ctx, func(err error) { t.Error(err) })
	var last uint64
	for range 1000 {
		last = l.ask()
	}
	if err := l.wait(ctx, last); err != nil {
		t.Fatal(err)
	}
	if got := runs.Load(); got > 2 {
		t.Errorf("%d runs for one burst", got)
	}
}
