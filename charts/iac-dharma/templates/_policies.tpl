{{/* What admission policies have in common. Each is called with a dict: "root" is the chart's context, "need" the name of what is decided. */}}

{{- define "iac-dharma.policyHead" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ include "iac-dharma.fullname" .root }}-{{ .need }}
  labels: {{- include "iac-dharma.labels" .root | nindent 4 }}
{{- end }}

{{/* One binding for each action: the label of a namespace chooses. A namespace without the label meets none of them. */}}
{{- define "iac-dharma.policyBindings" -}}
{{- $name := printf "%s-%s" (include "iac-dharma.fullname" .root) .need }}
{{- range $action, $does := dict "deny" (list "Deny") "warn" (list "Warn" "Audit") "audit" (list "Audit") }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}-{{ $action }}
  labels: {{- include "iac-dharma.labels" $.root | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: {{ toJson $does }}
  matchResources:
    namespaceSelector:
      matchLabels: {dharma.io/policy-{{ $.need }}: {{ $action }}}
{{- end }}
{{- end }}

{{- define "iac-dharma.policyTenant" -}}
- name: tenant
  expression: namespaceObject.metadata.?labels[?'dharma.io/tenant'].orValue('(none)')
{{- end }}

{{/* `allowed` is the tenant's list, and `allows` the same for people, cut where a message would become too long to be shown. */}}
{{- define "iac-dharma.policyAllowed" -}}
{{ include "iac-dharma.policyTenant" . }}
- name: allowed
  expression: namespaceObject.metadata.?annotations[?'dharma.io/allowed-{{ .need }}'].orValue('').split(',').filter(name, name != '')
- name: listed
  expression: variables.allowed.join(', ')
- name: allows
  expression: >-
    'spec.policies.{{ .field }} of Tenant ' + variables.tenant + ' allows '
    + (variables.listed == '' ? 'none' : variables.listed.size() > 500 ? variables.listed.substring(0, 500) + ' ...' : variables.listed)
{{- end }}

{{/* Who acts for the cluster itself: no policy stands in the way of the operator, of Kubernetes' own parts, and of system:masters. */}}
{{- define "iac-dharma.policyStranger" -}}
- name: not-the-operator-nor-kubernetes
  expression: >-
    !(request.userInfo.username in ['system:serviceaccount:{{ .Release.Namespace }}:{{ include "iac-dharma.serviceAccountName" . }}',
    'system:kube-controller-manager', 'system:kube-scheduler', 'system:apiserver'])
    && !request.userInfo.groups.exists(group, group in ['system:masters', 'system:nodes', 'system:serviceaccounts:kube-system'])
{{- end }}

{{/* Whoever may change Tenants could have the operator do the same: a binding to cluster-admin is enough. */}}
{{- define "iac-dharma.policyAdministrator" -}}
- name: administrator
  expression: authorizer.group('dharma.io').resource('tenants').check('update').allowed()
{{- end }}

{{/* Repositories of the operator's own images, as Kubernetes names them in full; whatever their tag, as a pod of before an upgrade may start again. */}}
{{- define "iac-dharma.policyOwnImages" -}}
{{- $found := list }}
{{- range list .Values.images.postgres .Values.images.pgbouncer .Values.images.redis }}
{{- $found = append $found (printf "'%s/%s'" (.registry | default "docker.io") .repository) }}
{{- end }}
{{- join ", " $found }}
{{- end }}

{{/* Labels that decide whose an object is and which traffic a pod gets. */}}
{{- define "iac-dharma.policyOwnedLabels" -}}
['dharma.io/tenant', 'dharma.io/project', 'dharma.io/blueprint', 'dharma.io/component', 'dharma.io/user', 'dharma.io/role']
{{- end }}
