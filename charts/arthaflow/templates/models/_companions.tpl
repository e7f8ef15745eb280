{{/*
spec.explainer of one version. KServe appends --model_name <InferenceService> and --predictor_host, so the name on the
protocol is given by itself. One replica: KServe would scale it by the predictor's metric. Only a predictor has the field
storageContainerName; the annotation is what KServe makes of it on the predictor's pods, and its webhook reads it on these too.
*/}}
{{- define "arthaflow.explainer" -}}
{{- $explainers := .root.Values.explainers -}}
{{- $standard := eq .root.Values.mode "Standard" -}}
{{- include "arthaflow.pod" (dict "root" .root "standard" $standard "grace" (add $explainers.timeout 20)) }}
timeout: {{ $explainers.timeout }}
minReplicas: 1
maxReplicas: 1
{{- $named := .root.Values.storage.initializer.enabled }}
{{- if or $standard $named }}
annotations:
  {{- if $standard }}
  serving.kserve.io/autoscalerClass: none
  {{- end }}
  {{- if $named }}
  internal.serving.kserve.io/storage-container-name: {{ include "arthaflow.storageContainer" .root }}
  {{- end }}
{{- end }}
containers:
  - name: kserve-container
    image: {{ include "arthaflow.image" (dict "root" .root "role" "explainer") }}
    args:
      - --artifact=/mnt/models
      - --protocol_name={{ .model.name }}
      - --predictor_request_timeout_seconds={{ .model.timeout }}
      {{- with $explainers.kind }}
      - --kind={{ . }}
      {{- end }}
    env:
      - {name: STORAGE_URI, value: {{ .track.artifact | quote }}}
      {{- include "arthaflow.tracingEnv" .root | nindent 6 }}
    ports:
      - {name: http1, containerPort: 8080, protocol: TCP}
    {{- include "arthaflow.container" (dict "root" .root "model" .model "standard" $standard "cpu" $explainers.cpu "memory" $explainers.memory "startup" 600) | nindent 4 }}
{{- end -}}

{{/* spec.transformer: looks features up in the cluster's feature store, whose addresses and passwords lie in a secret. */}}
{{- define "arthaflow.transformer" -}}
{{- $transformers := .root.Values.transformers -}}
{{- $scaling := .root.Values.autoscaling -}}
{{- $standard := eq .root.Values.mode "Standard" -}}
{{- include "arthaflow.pod" (dict "root" .root "standard" $standard "grace" (add .model.timeout 20)) }}
timeout: {{ .model.timeout }}
minReplicas: {{ max 1 .model.minReplicas }}
{{- if eq $scaling.kind "none" }}
maxReplicas: {{ max 1 .model.minReplicas }}
{{- else }}
maxReplicas: {{ .model.maxReplicas }}
{{- if not $standard }}
scaleMetric: rps
scaleTarget: {{ int (max 1 (ceil $scaling.requestsPerSecond)) }}
{{- else if eq $scaling.kind "hpa" }}
scaleMetric: cpu
scaleTarget: {{ $scaling.cpu }}
{{- else }}
autoScaling:
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $scaling.cpu }}}
{{- end }}
{{- end }}
{{- if $standard }}
deploymentStrategy:
  type: RollingUpdate
  rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
{{- end }}
containers:
  - name: kserve-container
    image: {{ include "arthaflow.image" (dict "root" .root "role" "transformer") }}
    args:
      - --protocol_name={{ .model.name }}
      - --predictor_request_timeout_seconds={{ .model.timeout }}
    env:
      - {name: ARTHAFLOW_HOME, value: /tmp/arthaflow}
      - {name: ARTHAFLOW_FEATURE_SOURCE, value: postgres}
      {{- include "arthaflow.tracingEnv" .root | nindent 6 }}
    envFrom:
      - secretRef: {name: {{ $transformers.secret }}}
    ports:
      - {name: http1, containerPort: 8080, protocol: TCP}
    {{- include "arthaflow.container" (dict "root" .root "model" .model "standard" $standard "cpu" $transformers.cpu "memory" $transformers.memory "startup" 300) | nindent 4 }}
{{- end -}}
