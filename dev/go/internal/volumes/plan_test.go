package volumes

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const node = "node-1"

func classOf(mode storagev1.VolumeBindingMode) *storagev1.StorageClass {
	return &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "standard"}, Provisioner: Provisioner, VolumeBindingMode: &mode}
}

func claimOf(size string, change func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data", UID: "u1", Annotations: map[string]string{provisionerAnnotation: Provisioner}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}},
		},
	}
	if change != nil {
		change(claim)
	}
	return claim
}

func TestCapacityFor(t *testing.T) {
	for _, test := range []struct{ request, wanted string }{
		{"1", "236Mi"}, {"236Mi", "236Mi"}, {"300Mi", "300Mi"}, {"1G", "954Mi"}, {"1Gi", "1Gi"},
	} {
		request, wanted := resource.MustParse(test.request), resource.MustParse(test.wanted)
		if got := capacityFor(request.Value()); got != wanted.Value() {
			t.Errorf("%s: %s, wanted %s", test.request, describe(got), test.wanted)
		}
	}
}

func TestWantsVolume(t *testing.T) {
	immediate, waiting := classOf(storagev1.VolumeBindingImmediate), classOf(storagev1.VolumeBindingWaitForFirstConsumer)
	foreign := classOf(storagev1.VolumeBindingImmediate)
	foreign.Provisioner = "example.com/other"
	selected := func(name string) func(*corev1.PersistentVolumeClaim) {
		return func(claim *corev1.PersistentVolumeClaim) { claim.Annotations[selectedNodeAnnotation] = name }
	}
	for _, test := range []struct {
		name   string
		class  *storagev1.StorageClass
		change func(*corev1.PersistentVolumeClaim)
		wanted bool
	}{
		{"at once", immediate, nil, true},
		{"another provisioner's class", foreign, nil, false},
		{"no consumer yet", waiting, nil, false},
		{"a consumer on this node", waiting, selected(node), true},
		{"a consumer on another node", waiting, selected("node-2"), false},
		{"bound", immediate, func(claim *corev1.PersistentVolumeClaim) { claim.Spec.VolumeName = "pvc-u1" }, false},
		{"being deleted", immediate, func(claim *corev1.PersistentVolumeClaim) { claim.DeletionTimestamp = &metav1.Time{} }, false},
		{"not asked for yet", immediate, func(claim *corev1.PersistentVolumeClaim) { claim.Annotations = nil }, false},
	} {
		if got := wantsVolume(claimOf("1Gi", test.change), test.class, node); got != test.wanted {
			t.Errorf("%s: %v, wanted %v", test.name, got, test.wanted)
		}
	}
}

func TestRefusalNamesFieldAndRemedy(t *testing.T) {
	block := corev1.PersistentVolumeBlock
	for wanted, change := range map[string]func(*corev1.PersistentVolumeClaim){
		"":            nil,
		"volumeMode":  func(claim *corev1.PersistentVolumeClaim) { claim.Spec.VolumeMode = &block },
		"accessModes": func(claim *corev1.PersistentVolumeClaim) { claim.Spec.AccessModes[0] = corev1.ReadWriteMany },
		"selector":    func(claim *corev1.PersistentVolumeClaim) { claim.Spec.Selector = &metav1.LabelSelector{} },
		"dataSource": func(claim *corev1.PersistentVolumeClaim) {
			claim.Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "PersistentVolumeClaim", Name: "other"}
		},
	} {
		got := refusal(claimOf("1Gi", change))
		if (got == "") != (wanted == "") || !strings.Contains(got, wanted) {
			t.Errorf("%q does not speak of %q", got, wanted)
		}
	}
}

func TestNewVolume(t *testing.T) {
	class := classOf(storagev1.VolumeBindingImmediate)
	volume := newVolume(claimOf("1Gi", nil), class, node, "/volumes/mounts/pvc-u1/data")
	if volume.Name != "pvc-u1" || volume.Spec.StorageClassName != "standard" || volume.Spec.ClaimRef.UID != "u1" {
		t.Errorf("the volume is not the claim's: %+v", volume)
	}
	if volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		t.Errorf("without a reclaim policy the volume would be kept: %s", volume.Spec.PersistentVolumeReclaimPolicy)
	}
	if !ours(volume, node) || ours(volume, "node-2") {
		t.Error("the volume is not exactly this node's")
	}
	retain := corev1.PersistentVolumeReclaimRetain
	class.ReclaimPolicy = &retain
	if got := newVolume(claimOf("1Gi", nil), class, node, "/x").Spec.PersistentVolumeReclaimPolicy; got != retain {
		t.Errorf("reclaim policy %s, wanted Retain", got)
	}
}

func TestFateOf(t *testing.T) {
	const deletePolicy, retainPolicy = corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeReclaimRetain
	for _, test := range []struct {
		name    string
		policy  corev1.PersistentVolumeReclaimPolicy
		phase   corev1.PersistentVolumePhase
		deleted bool
		wanted  fate
	}{
		{"new", deletePolicy, corev1.VolumePending, false, keep},
		{"in use", deletePolicy, corev1.VolumeBound, false, keep},
		{"in use, deleted by hand", deletePolicy, corev1.VolumeBound, true, keep},
		{"claim gone", deletePolicy, corev1.VolumeReleased, false, discard},
		{"claim gone, deleted", deletePolicy, corev1.VolumeReleased, true, discard},
		{"never used, deleted", deletePolicy, corev1.VolumeAvailable, true, discard},
		{"retained", retainPolicy, corev1.VolumeReleased, false, keep},
		{"retained, deleted", retainPolicy, corev1.VolumeReleased, true, release},
		{"retained, in use, deleted by hand", retainPolicy, corev1.VolumeBound, true, keep},
	} {
		volume := newVolume(claimOf("1Gi", nil), classOf(storagev1.VolumeBindingImmediate), node, "/x")
		volume.Spec.PersistentVolumeReclaimPolicy, volume.Status.Phase = test.policy, test.phase
		if test.deleted {
			volume.DeletionTimestamp = &metav1.Time{}
		}
		if got := fateOf(volume); got != test.wanted {
			t.Errorf("%s: %s, wanted %s", test.name, got, test.wanted)
		}
		volume.Finalizers = nil
		if got := fateOf(volume); test.deleted && got != settled {
			t.Errorf("%s, after our part is done: %s, wanted %s", test.name, got, settled)
		}
	}
}

// bind makes volume and claim each other's, with the claim's status at the volume's capacity.
func bind(volume *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) {
	claim.Spec.VolumeName, claim.Status.Phase = volume.Name, corev1.ClaimBound
	claim.Status.Capacity = volume.Spec.Capacity.DeepCopy()
}

func TestGrowth(t *testing.T) {
	claim := claimOf("300Mi", nil)
	volume := newVolume(claim, classOf(storagev1.VolumeBindingImmediate), node, "/x")
	raised := claimOf("400Mi", nil)
	if got := growth(volume, raised); got != 0 {
		t.Errorf("a claim that is not bound grows the volume to %s", describe(got))
	}
	bind(volume, raised)
	if got := growth(volume, raised); got != 400*mebibyte {
		t.Errorf("grows to %s, wanted 400 MiB", describe(got))
	}
	bind(volume, claim)
	if got := growth(volume, claim); got != 0 {
		t.Errorf("a volume of the right size grows to %s", describe(got))
	}
	small := claimOf("1Mi", nil)
	smallVolume := newVolume(small, classOf(storagev1.VolumeBindingImmediate), node, "/x")
	bind(smallVolume, small)
	if got := growth(smallVolume, small); got != 0 {
		t.Errorf("a volume of the least size grows to %s", describe(got))
	}
}

func TestGrownClaim(t *testing.T) {
	claim := claimOf("300Mi", nil)
	volume := newVolume(claim, classOf(storagev1.VolumeBindingImmediate), node, "/x")
	bind(volume, claim)
	if grownClaim(volume, claim) != nil {
		t.Error("a claim that shows its volume's capacity is written again")
	}
	volume.Spec.Capacity[corev1.ResourceStorage] = resource.MustParse("500Mi")
	claim.Status.Conditions = []corev1.PersistentVolumeClaimCondition{
		{Type: corev1.PersistentVolumeClaimResizing}, {Type: corev1.PersistentVolumeClaimFileSystemResizePending}, {Type: "Other"},
	}
	grown := grownClaim(volume, claim)
	if got := grown.Status.Capacity.Storage().String(); got != "500Mi" {
		t.Errorf("capacity %s, wanted 500Mi", got)
	}
	if len(grown.Status.Conditions) != 1 || grown.Status.Conditions[0].Type != "Other" {
		t.Errorf("conditions %+v, wanted the other one alone", grown.Status.Conditions)
	}
	if len(claim.Status.Conditions) != 3 || claim.Status.Conditions[0].Type != corev1.PersistentVolumeClaimResizing {
		t.Error("the cached claim was changed")
	}
}
