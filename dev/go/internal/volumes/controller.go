package volumes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

const (
	workers = 4
	// resync looks at every volume again, to put back a mount that something else removed.
	resync = time.Minute
	// busyRetry is the pause before a volume that a pod still has is tried again.
	busyRetry = 300 * time.Millisecond
	// errors are retried after firstRetry, then twice as late each time up to lastRetry.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// key names an object to look at: a claim when it has a namespace, else a volume.
type key struct{ namespace, name string }

// Controller makes, grows, mounts and removes the volumes of one node.
type Controller struct {
	node    string
	disk    disk
	client  kubernetes.Interface
	log     *slog.Logger
	factory informers.SharedInformerFactory
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	classes storagelisters.StorageClassLister
	queue   workqueue.TypedRateLimitingInterface[key]
	events  record.EventRecorder
}

// New prepares a controller that keeps the node's volumes in the folder root; Run starts it.
func New(client kubernetes.Interface, node, root string, log *slog.Logger) (*Controller, error) {
	factory := informers.NewSharedInformerFactory(client, resync)
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[key](firstRetry, lastRetry)
	c := &Controller{
		node: node, disk: disk{root}, client: client, log: log, factory: factory,
		claims:  factory.Core().V1().PersistentVolumeClaims().Lister(),
		volumes: factory.Core().V1().PersistentVolumes().Lister(),
		classes: factory.Storage().V1().StorageClasses().Lister(),
		queue:   workqueue.NewTypedRateLimitingQueue(limiter),
		events:  broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: Provisioner, Host: node}),
	}
	for informer, enqueue := range map[cache.SharedIndexInformer]func(any){
		factory.Core().V1().PersistentVolumeClaims().Informer(): c.enqueueClaim,
		factory.Core().V1().PersistentVolumes().Informer():      c.enqueueVolume,
		factory.Storage().V1().StorageClasses().Informer():      c.enqueueEveryClaim,
	} {
		handler := cache.ResourceEventHandlerFuncs{AddFunc: enqueue, UpdateFunc: func(_, object any) { enqueue(object) }}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, fmt.Errorf("watch for volumes: %w", err)
		}
	}
	return c, nil
}

func (c *Controller) enqueueClaim(object any) {
	claim := object.(*corev1.PersistentVolumeClaim)
	if claim.Spec.VolumeName != "" {
		c.queue.Add(key{name: claim.Spec.VolumeName})
		return
	}
	c.queue.Add(key{claim.Namespace, claim.Name})
}

func (c *Controller) enqueueVolume(object any) {
	c.queue.Add(key{name: object.(*corev1.PersistentVolume).Name})
}

func (c *Controller) enqueueEveryClaim(any) {
	claims, err := c.claims.List(labels.Everything())
	if err != nil {
		c.log.Error("claims not listed", "error", err)
	}
	for _, claim := range claims {
		c.enqueueClaim(claim)
	}
}

// Run serves until the context ends. Volumes stay mounted when it returns.
func (c *Controller) Run(ctx context.Context) error {
	c.factory.Start(ctx.Done())
	for kind, synced := range c.factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("volumes: the agent was stopped before its cache of %v was filled", kind)
		}
	}
	if err := c.removeAbandoned(); err != nil {
		return fmt.Errorf("remove what was left unfinished: %w", err)
	}
	for range workers {
		go func() {
			for c.work(ctx) {
			}
		}()
	}
	<-ctx.Done()
	c.queue.ShutDown()
	return nil
}

// removeAbandoned removes drafts of volumes that were never announced and whose claims are gone.
func (c *Controller) removeAbandoned() error {
	drafts, err := c.disk.drafts()
	if err != nil {
		return err
	}
	for _, name := range drafts {
		if _, err := c.volumes.Get(name); !apierrors.IsNotFound(err) {
			continue // its object exists, or is not known not to
		}
		if err := c.disk.remove(name); err != nil {
			return err
		}
		c.log.Info("unfinished volume removed", "volume", name)
	}
	return nil
}

// work handles one key, and tells whether there can be more.
func (c *Controller) work(ctx context.Context) bool {
	next, shutdown := c.queue.Get()
	if shutdown {
		return false
	}
	defer c.queue.Done(next)
	var err error
	if next.namespace != "" {
		err = c.reconcileClaim(ctx, next.namespace, next.name)
	} else {
		err = c.reconcileVolume(ctx, next.name)
	}
	switch {
	case err == nil:
		c.queue.Forget(next)
	case errors.Is(err, errBusy):
		c.queue.AddAfter(next, busyRetry)
	case apierrors.IsConflict(err):
		c.queue.AddRateLimited(next)
	default:
		c.log.Error("volume not as wanted, retrying", "namespace", next.namespace, "name", next.name, "error", err)
		c.queue.AddRateLimited(next)
	}
	return true
}

// reconcileClaim makes the volume that a claim waits for.
func (c *Controller) reconcileClaim(ctx context.Context, namespace, name string) error {
	claim, err := c.claims.PersistentVolumeClaims(namespace).Get(name)
	if err != nil {
		return ignoreNotFound(err)
	}
	if claim.Spec.StorageClassName == nil {
		return nil
	}
	class, err := c.classes.Get(*claim.Spec.StorageClassName)
	if err != nil || !wantsVolume(claim, class, c.node) {
		return ignoreNotFound(err)
	}
	if reason := refusal(claim); reason != "" {
		c.events.Event(claim, corev1.EventTypeWarning, "ProvisioningFailed", reason)
		return nil
	}
	started := time.Now()
	volume := newVolume(claim, class, c.node, c.disk.data(volumeName(claim)))
	// The cache may be behind: making the volume again would wipe it.
	if _, err := c.client.CoreV1().PersistentVolumes().Get(ctx, volume.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return err
	}
	capacity := volume.Spec.Capacity.Storage().Value()
	if err := c.disk.create(volume.Name, capacity); err != nil {
		c.events.Event(claim, corev1.EventTypeWarning, "ProvisioningFailed", err.Error())
		return err
	}
	if _, err := c.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	c.log.Info("volume made", "volume", volume.Name, "namespace", namespace, "claim", name, "size", describe(capacity),
		"took", time.Since(started).Round(time.Millisecond))
	return c.disk.commit(volume.Name)
}

// reconcileVolume brings file, mount and object of one volume to what its state asks for.
func (c *Controller) reconcileVolume(ctx context.Context, name string) error {
	volume, err := c.volumes.Get(name)
	if err != nil || !ours(volume, c.node) {
		return ignoreNotFound(err)
	}
	switch fateOf(volume) {
	case keep:
		if err := c.disk.ensure(name); err != nil {
			c.events.Event(volume, corev1.EventTypeWarning, "MountFailed", err.Error())
			return err
		}
		return c.fit(ctx, volume)
	case discard:
		if err := c.disk.remove(name); err != nil {
			return err
		}
		if err := c.client.CoreV1().PersistentVolumes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return ignoreNotFound(err)
		}
		return c.letGo(ctx, name, "volume removed")
	case release:
		if err := c.disk.unmount(name); err != nil {
			return err
		}
		return c.letGo(ctx, name, "volume released, its file is kept")
	case settled:
	}
	return nil
}

// letGo takes our finalizer off the object.
func (c *Controller) letGo(ctx context.Context, name, done string) error {
	current, err := c.client.CoreV1().PersistentVolumes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return ignoreNotFound(err)
	}
	current.Finalizers = slices.DeleteFunc(current.Finalizers, func(one string) bool { return one == finalizer })
	if _, err := c.client.CoreV1().PersistentVolumes().Update(ctx, current, metav1.UpdateOptions{}); err != nil {
		return ignoreNotFound(err)
	}
	c.log.Info(done, "volume", name)
	return nil
}

// fit grows a volume to what its claim asks for and shows the size on both objects.
func (c *Controller) fit(ctx context.Context, volume *corev1.PersistentVolume) error {
	if volume.Spec.ClaimRef == nil {
		return nil
	}
	claim, err := c.claims.PersistentVolumeClaims(volume.Spec.ClaimRef.Namespace).Get(volume.Spec.ClaimRef.Name)
	if err != nil {
		return ignoreNotFound(err)
	}
	if capacity := growth(volume, claim); capacity > 0 {
		if err := c.disk.grow(volume.Name, capacity); err != nil {
			c.events.Event(claim, corev1.EventTypeWarning, "VolumeResizeFailed", err.Error())
			return err
		}
		grown := volume.DeepCopy()
		grown.Spec.Capacity[corev1.ResourceStorage] = quantity(capacity)
		if volume, err = c.client.CoreV1().PersistentVolumes().Update(ctx, grown, metav1.UpdateOptions{}); err != nil {
			return err
		}
		c.events.Event(claim, corev1.EventTypeNormal, "VolumeResizeSuccessful", "the volume has "+describe(capacity))
		c.log.Info("volume grown", "volume", volume.Name, "size", describe(capacity))
	}
	if shown := grownClaim(volume, claim); shown != nil {
		_, err = c.client.CoreV1().PersistentVolumeClaims(shown.Namespace).UpdateStatus(ctx, shown, metav1.UpdateOptions{})
	}
	return ignoreNotFound(err)
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
