{{/* The chart's name, as a label and in the names of objects. */}}
{{- define "floodwarden.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of the objects: the release's, followed by the chart's unless the first says it already. 52 characters leave room for suffixes. */}}
{{- define "floodwarden.fullname" -}}
{{- $name := include "floodwarden.name" . }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "floodwarden.selectorLabels" -}}
app.kubernetes.io/name: {{ include "floodwarden.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "floodwarden.labels" -}}
{{ include "floodwarden.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "floodwarden.serviceAccountName" -}}
{{- $own := ternary (include "floodwarden.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $own .Values.serviceAccount.name }}
{{- end }}

{{- define "floodwarden.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag }}
{{- printf "%s:%s" .Values.image.repository $tag }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The address to listen on with its port; an IPv6 address is put in brackets. */}}
{{- define "floodwarden.listen" -}}
{{- $address := .Values.listen.address }}
{{- ternary (printf "[%s]" $address) $address (contains ":" $address) }}:{{ int .Values.listen.port }}
{{- end }}

{{/* What a probe asks; the kubelet has to be told the address when the operator does not listen on the pod's. */}}
{{- define "floodwarden.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
  {{- if not (has .root.Values.listen.address (list "0.0.0.0" "::")) }}
  host: {{ .root.Values.listen.address | quote }}
  {{- end }}
{{- end }}

{{/* How new pods replace old ones. A release 0.1 took no Leases, so it would decide beside new pods: it is ended first, once. */}}
{{- define "floodwarden.strategy" -}}
{{- $there := lookup "apps/v1" "Deployment" .Release.Namespace (include "floodwarden.fullname" .) | default dict }}
{{- $chart := dig "metadata" "labels" "helm.sh/chart" "" $there }}
{{- if .Values.strategy }}
{{- toYaml .Values.strategy }}
{{- else if hasPrefix "floodwarden-0.1." $chart -}}
type: Recreate
{{- else -}}
type: RollingUpdate
rollingUpdate: {{ ternary "{maxSurge: 0, maxUnavailable: 1}" "{maxSurge: 1, maxUnavailable: 0}" .Values.hostNetwork }}
{{- end }}
{{- end }}

{{/* Everything the operator may do, in the cluster or in each namespace it serves. */}}
{{- define "floodwarden.rules" -}}
# The declared intent, and the report on it.
- apiGroups: [floodwarden.dev]
  resources: [messagebrokers, backlogpolicies, deliverypolicies]
  verbs: [get, list, watch]
- apiGroups: [floodwarden.dev]
  resources: [messagebrokers/status, backlogpolicies/status, deliverypolicies/status]
  verbs: [patch]
# Passwords and certificates which a MessageBroker names: read by name, never listed.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
  {{- with .Values.rbac.secretNames }}
  resourceNames: {{ toJson . }}
  {{- end }}
# Whether the pods of the last step are ready.
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# The consumers to scale: the scale subresource only, never the workload itself.
- apiGroups: [apps]
  resources: [deployments/scale, statefulsets/scale, replicasets/scale]
  verbs: [get, update]
{{- range .Values.rbac.extraScaleTargets }}
- apiGroups: {{ toJson .apiGroups }}
  resources: [{{ range $index, $resource := .resources }}{{ if $index }}, {{ end }}{{ $resource }}/scale{{ end }}]
  verbs: [get, update]
{{- end }}
# Other autoscalers on the same target, which are never fought.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [list]
# Which topics Strimzi has: they are left to it, or changed through it.
- apiGroups: [kafka.strimzi.io]
  resources: [kafkatopics]
  verbs: [list{{ if .Values.rbac.patchKafkaTopics }}, patch{{ end }}]
# Clients' settings: published for each DeliveryPolicy, and looked for in the workloads that are labelled with one.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get{{ if .Values.rbac.publishClientSettings }}, create, patch{{ end }}]
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [list]
{{- if .Values.rbac.patchWorkloads }}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [patch]
{{- end }}
# What happened, on the policy and on its target.
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
