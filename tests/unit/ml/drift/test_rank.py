import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.ml.drift.test_changes import JSON

from dharma_ml.drift.changes import Change
from dharma_ml.drift.rank import findings, judge, rank
from dharma_ml.drift.rules import Category
from dharma_ml.drift.values import FleetValues
from dharma_ml.findings import Severity

POD = "spec.template.spec"
WEB = f"{POD}.containers[web]"
FLEET = FleetValues()


def change(path: str, before: object, after: object, kind: str = "Deployment", manager: str = "kubectl-edit", reach: int = 1) -> Change:
    return Change(kind, "shop/web", path, before, after, manager, 1e9, reach)


@pytest.mark.parametrize(
    ("path", "before", "after", "kind", "category"),
    [
        (f"{WEB}.securityContext", {"privileged": False}, {"privileged": True}, "Deployment", Category.SECURITY),
        (f"{WEB}.securityContext.privileged", True, False, "Deployment", Category.AVAILABILITY),
        (f"{WEB}.image", "registry/a:1", "registry/a:2", "Deployment", Category.AVAILABILITY),
        (f"{WEB}.image", "registry:5000/a:1", "elsewhere/a:1", "Deployment", Category.SECURITY),
        (f"{WEB}.image", "registry/a@sha256:00", "registry/a:1", "Deployment", Category.SECURITY),
        (f"{WEB}.env", [{"name": "TLS", "value": "true"}], [{"name": "TLS", "value": "false"}], "Deployment", Category.SECURITY),
        (f"{WEB}.env", [{"name": "LOG", "value": "info"}], [{"name": "LOG", "value": "debug"}], "Deployment", Category.AVAILABILITY),
        (f"{WEB}.resources.requests.cpu", "1", "2", "Deployment", Category.COST),
        (f"{WEB}.resources.requests.cpu", "2", "1000m", "Deployment", Category.AVAILABILITY),
        (f"{WEB}.resources.requests.cpu", "1000m", "1", "Deployment", Category.BENIGN),
        ("spec.replicas", 2, 5, "Deployment", Category.COST),
        ("metadata.labels[app.kubernetes.io/note]", None, "x", "Deployment", Category.COSMETIC),
        ("spec.ingress", [], [{}], "NetworkPolicy", Category.SECURITY),
        ("spec.somethingNew", 1, 2, "Gadget", Category.AVAILABILITY),
        ("", {"spec": {}}, None, "NetworkPolicy", Category.SECURITY),
        ("", {"spec": {}}, None, "Service", Category.AVAILABILITY),
        ("status.readyReplicas", 1, 2, "Deployment", Category.BENIGN),
        (f"{POD}.dnsPolicy", None, "ClusterFirst", "Deployment", Category.BENIGN),
        (f"{POD}.dnsPolicy", "None", "ClusterFirst", "Deployment", Category.AVAILABILITY),
    ],
)
def test_categories(path: str, before: object, after: object, kind: str, category: Category) -> None:
    assert judge(change(path, before, after, kind), FLEET).category is category


def test_a_controllers_name_excuses_only_its_own_field() -> None:
    scaler = "horizontal-pod-autoscaler"
    assert judge(change("spec.replicas", 2, 5, manager=scaler), FLEET).category is Category.BENIGN
    assert judge(change("spec.replicas", 2, 0, manager=scaler), FLEET).category is Category.AVAILABILITY
    assert judge(change(f"{WEB}.securityContext.privileged", False, True, manager=scaler), FLEET).category is Category.SECURITY
    bad = [{"name": "istio-proxy", "image": "x", "securityContext": {"privileged": True}}]
    assert judge(change(f"{POD}.containers", [], bad, manager="istio-sidecar-injector"), FLEET).category is Category.SECURITY
    other = [{"name": "miner", "image": "x"}]
    assert judge(change(f"{POD}.containers", [], other, manager="istio-sidecar-injector"), FLEET).category is Category.SECURITY


def test_the_worst_of_a_subtree_counts() -> None:
    after = {"name": "web", "image": "a:1", "terminationMessagePolicy": "FallbackToLogsOnError", "securityContext": {"privileged": True}}
    judged = judge(change(WEB, {"name": "web", "image": "a:1"}, after), FLEET)
    assert (judged.category, judged.prior) == (Category.SECURITY, 1.0)
    assert "privileged was absent, is True" in judged.reason


def test_more_reach_a_rarer_value_and_a_person_weigh_more() -> None:
    fleet = FleetValues()
    for _ in range(50):
        fleet.learn("Deployment", {"spec": {"replicas": 2}})
    base = judge(change("spec.replicas", 3, 1), fleet)
    assert judge(change("spec.replicas", 3, 1, reach=100), fleet).score > base.score
    assert judge(change("spec.replicas", 3, 2), fleet).score < base.score
    assert judge(change("spec.replicas", 3, 1, manager="some-operator"), fleet).score < base.score
    assert base.score == pytest.approx(base.prior * base.blast * base.rarity * base.context)


def test_all_severities_and_the_order() -> None:
    changes = [
        change("metadata.annotations[note]", None, "x"),
        change(f"{WEB}.resources.requests.cpu", "1", "2", reach=100),
        change("spec.replicas", 5, 3, reach=100),
        change(f"{POD}.hostNetwork", None, True, reach=100),
        change("status", None, {"a": 1}),
    ]
    ranked = rank(changes, FLEET)
    assert [one.severity for one in ranked] == [Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.LOW]
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
    found = findings(ranked, now=1.0)
    assert len(found) == 4, "what is no drift is no finding"
    assert found[0].stream == "Deployment/shop/web"
    assert "kubectl-edit" in found[0].message


def test_fleet_values_round_trip_and_rarity_by_hand() -> None:
    fleet = FleetValues()
    for replicas in (2, 2, 2, 3):
        fleet.learn("Deployment", {"spec": {"replicas": replicas}})
    judged = [judge(change("spec.replicas", 9, value), FleetValues.restore(fleet.save())).rarity for value in (2, 3, 7)]
    # Shares of the values, half a count added: 3.5/5, 1.5/5, 0.5/5; rarity may take a tenth of the score.
    assert judged == pytest.approx([1 - 0.1 * 0.7, 1 - 0.1 * 0.3, 1 - 0.1 * 0.1])
    with pytest.raises(ValueError, match="no counts"):
        FleetValues.restore(b"[1]")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.builds(Change, st.text(max_size=5), st.text(max_size=5), st.text(max_size=12), JSON, JSON, st.text(max_size=5)), max_size=4)
)
def test_any_change_is_ranked(changes: list[Change]) -> None:
    ranked = rank(changes, FLEET)
    assert len(ranked) == len(changes)
    assert all(0 <= one.security <= one.prior <= 1 or one.security <= 1 for one in ranked)
    assert all(0 <= one.score <= one.prior <= 1 for one in ranked)
