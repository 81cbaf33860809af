// Package volumes provisions PersistentVolumes whose size is enforced and which grow online: one sparse file per claim, with XFS in it,
// mounted through a loop device.
//
// The decisions are pure functions of the objects; Disk touches files and mounts; Controller watches and acts.
package volumes

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// Provisioner is what a StorageClass names to get its volumes from here.
	Provisioner = "dev.dharma.io/xfs"
	// finalizer keeps a PersistentVolume until its file is dealt with.
	finalizer = "dev.dharma.io/xfs"

	provisionerAnnotation   = "volume.kubernetes.io/storage-provisioner" // set by the volume controller when it wants a volume made
	selectedNodeAnnotation  = "volume.kubernetes.io/selected-node"       // set by the scheduler
	provisionedByAnnotation = "pv.kubernetes.io/provisioned-by"          // tells the volume controller to leave deletion to us
)

const (
	mebibyte = int64(1) << 20
	// journal is the size of the file system's log, which comes on top so that `df` shows what was asked for.
	journal = 64 * mebibyte
	// smallest is the least capacity: XFS wants 300 MiB, journal included.
	smallest = 300*mebibyte - journal
)

// capacityFor is the size in bytes of the volume made for a request: whole MiB, not less than XFS can do.
func capacityFor(request int64) int64 {
	return max((request+mebibyte-1)/mebibyte*mebibyte, smallest)
}

// fileSize is the size in bytes of the file that holds a volume of some capacity.
func fileSize(capacity int64) int64 { return capacity + journal }

// volumeName is the same for every attempt at one claim, so that a second attempt finds what the first left.
func volumeName(claim *corev1.PersistentVolumeClaim) string { return "pvc-" + string(claim.UID) }

func requested(claim *corev1.PersistentVolumeClaim) int64 {
	return claim.Spec.Resources.Requests.Storage().Value()
}

// wantsVolume tells whether a volume is to be made for the claim on this node now.
func wantsVolume(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, node string) bool {
	if class.Provisioner != Provisioner || claim.DeletionTimestamp != nil || claim.Spec.VolumeName != "" {
		return false
	}
	selected := claim.Annotations[selectedNodeAnnotation]
	waits := class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
	return claim.Annotations[provisionerAnnotation] == Provisioner && (selected == node || selected == "" && !waits)
}

// refusal says why no volume can be made for the claim, empty when one can.
func refusal(claim *corev1.PersistentVolumeClaim) string {
	spec := claim.Spec
	switch {
	case spec.VolumeMode != nil && *spec.VolumeMode == corev1.PersistentVolumeBlock:
		return "this storage class has file systems only: set volumeMode to Filesystem"
	case slices.Contains(spec.AccessModes, corev1.ReadWriteMany) || slices.Contains(spec.AccessModes, corev1.ReadOnlyMany):
		return "a volume of this storage class is on one node: set accessModes to ReadWriteOnce or ReadWriteOncePod"
	case spec.Selector != nil:
		return "a claim with a selector asks for a volume that exists: remove the selector to have one made"
	case spec.DataSource != nil || spec.DataSourceRef != nil:
		return "this storage class cannot fill a volume from a snapshot or another claim: remove dataSource"
	}
	return ""
}

// newVolume is the PersistentVolume for a claim, whose data is in a folder of this node.
func newVolume(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, node, folder string) *corev1.PersistentVolume {
	mode := corev1.PersistentVolumeFilesystem
	reclaim := corev1.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		reclaim = *class.ReclaimPolicy
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        volumeName(claim),
			Annotations: map[string]string{provisionedByAnnotation: Provisioner},
			Finalizers:  []string{finalizer},
		},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:              class.Name,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: quantity(capacityFor(requested(claim)))},
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    &mode,
			PersistentVolumeReclaimPolicy: reclaim,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
			NodeAffinity:                  onlyOn(node),
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
		},
	}
}

func onlyOn(node string) *corev1.VolumeNodeAffinity {
	expression := corev1.NodeSelectorRequirement{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}
	terms := []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{expression}}}
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: terms}}
}

func quantity(bytes int64) resource.Quantity { return *resource.NewQuantity(bytes, resource.BinarySI) }

// ours tells whether the volume was made here, on this node.
func ours(volume *corev1.PersistentVolume, node string) bool {
	if volume.Annotations[provisionedByAnnotation] != Provisioner || volume.Spec.Local == nil || volume.Spec.NodeAffinity == nil {
		return false
	}
	for _, term := range volume.Spec.NodeAffinity.Required.NodeSelectorTerms {
		for _, expression := range term.MatchExpressions {
			if expression.Key == corev1.LabelHostname {
				return slices.Contains(expression.Values, node)
			}
		}
	}
	return false
}

// fate is what is to become of a volume's file and mount.
type fate string

const (
	keep    fate = "keep"    // mounted
	discard fate = "discard" // unmounted, file removed, object deleted
	release fate = "release" // unmounted, file kept for the administrator, object let go
	settled fate = "settled" // nothing left to do: others still hold the object
)

// fateOf decides by phase and reclaim policy. A deleted object of a retained volume leaves the file, as Retain promises. An object that was
// deleted by hand while its claim is there stays in use: the API server keeps it until the claim is gone.
func fateOf(volume *corev1.PersistentVolume) fate {
	deleted := volume.DeletionTimestamp != nil
	switch {
	case deleted && !slices.Contains(volume.Finalizers, finalizer):
		return settled
	case volume.Status.Phase != corev1.VolumeReleased && (!deleted || volume.Status.Phase == corev1.VolumeBound):
		return keep
	case volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete:
		return discard
	case deleted:
		return release
	}
	return keep
}

// growth is the capacity in bytes that a bound volume shall have and has not; zero when it is large enough.
func growth(volume *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) int64 {
	if wanted := capacityFor(requested(claim)); holds(volume, claim) && wanted > volume.Spec.Capacity.Storage().Value() {
		return wanted
	}
	return 0
}

// grownClaim is the claim with the status that its volume's capacity gives it, nil when it has it.
func grownClaim(volume *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolumeClaim {
	capacity := volume.Spec.Capacity.Storage()
	if !holds(volume, claim) || claim.Status.Phase != corev1.ClaimBound || claim.Status.Capacity.Storage().Cmp(*capacity) >= 0 {
		return nil
	}
	grown := claim.DeepCopy()
	grown.Status.Capacity[corev1.ResourceStorage] = capacity.DeepCopy()
	grown.Status.Conditions = slices.DeleteFunc(grown.Status.Conditions, func(condition corev1.PersistentVolumeClaimCondition) bool {
		return condition.Type == corev1.PersistentVolumeClaimResizing || condition.Type == corev1.PersistentVolumeClaimFileSystemResizePending
	})
	return grown
}

// holds tells whether the volume and the claim are bound to each other.
func holds(volume *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) bool {
	return volume.Spec.ClaimRef != nil && volume.Spec.ClaimRef.UID == claim.UID && claim.Spec.VolumeName == volume.Name
}

// describe writes a size in bytes for people.
func describe(bytes int64) string { return fmt.Sprintf("%d MiB", bytes/mebibyte) }
