{{/* spec.predictor of one version: (dict "root" $ "model" .. "track" ..). */}}
{{- define "arthaflow.predictor" -}}
{{- $values := .root.Values -}}
{{- $standard := eq $values.mode "Standard" -}}
{{- $grpc := and $standard $values.grpc -}}
{{- $model := .model -}}
{{- $grace := add $model.timeout 5 -}}
{{- include "arthaflow.pod" (dict "root" .root "standard" $standard "grace" (add $grace 20)) }}
{{- if $values.storage.initializer.enabled }}
storageContainerName: {{ include "arthaflow.storageContainer" .root }}
{{- end }}
timeout: {{ $model.timeout }}
{{ include "arthaflow.scaling" . }}
{{- include "arthaflow.placement" (dict "root" .root "model" $model "standard" $standard) }}
{{- if $model.detector }}
logger:
  {{- include "arthaflow.logger" . | nindent 2 }}
{{- end }}
containers:
  - name: kserve-container
    image: {{ $model.image }}
    args:
      - --artifact=/mnt/models
      - --model_name={{ $model.name }}
      - --model_version={{ .track.version }}
      - --http_port=8080
      {{- if $grpc }}
      - --grpc_port=8081
      {{- else }}
      - --enable_grpc=false
      {{- end }}
      - --drain_seconds=5
      - --grace_seconds={{ $grace }}
    env:
      - {name: STORAGE_URI, value: {{ .track.artifact | quote }}}
      - {name: PROTOCOL, value: v2}
      {{- include "arthaflow.tracingEnv" .root | nindent 6 }}
    ports:
      - {name: http1, containerPort: 8080, protocol: TCP}
      {{- if $grpc }}
      - {name: grpc, containerPort: 8081, protocol: TCP}
      {{- end }}
    {{- include "arthaflow.container" (dict "root" .root "model" $model "standard" $standard "cpu" $model.cpu "memory" $model.memory "accelerator" $model.accelerator "startup" 600) | nindent 4 }}
{{- end -}}

{{/* Replicas of a predictor. KServe turns a keda metric's Value into what one replica should get. */}}
{{- define "arthaflow.scaling" -}}
{{- $scaling := .root.Values.autoscaling -}}
minReplicas: {{ .model.minReplicas }}
{{- if eq $scaling.kind "none" }}
maxReplicas: {{ .model.minReplicas }}
{{- else }}
maxReplicas: {{ .model.maxReplicas }}
{{- if eq .root.Values.mode "Knative" }}
scaleMetric: rps
scaleTarget: {{ int (max 1 (ceil $scaling.requestsPerSecond)) }}
{{- else if eq $scaling.kind "hpa" }}
scaleMetric: cpu
scaleTarget: {{ $scaling.cpu }}
{{- else }}
autoScaling:
  metrics:
    - type: External
      external:
        metric:
          backend: prometheus
          serverAddress: {{ $scaling.prometheus }}
          query: sum(rate(arthaflow_requests_total{namespace="{{ .root.Release.Namespace }}",pod=~"{{ .track.service }}-predictor-.*"}[1m]))
        target: {type: Value, value: {{ $scaling.requestsPerSecond | quote }}}
  behavior:
    scaleDown: {stabilizationWindowSeconds: 300}
{{- end }}
{{- end }}
{{- end -}}

{{/* Nodes: spread over hosts and zones; onto accelerators where the model asks for one, never two pods at once on one. */}}
{{- define "arthaflow.placement" -}}
{{- $values := .root.Values -}}
{{- $allowed := ternary (list "topologyspreadconstraints") $values.knative.features .standard -}}
{{- if has "topologyspreadconstraints" $allowed }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {arthaflow.io/model: {{ $.model.base }}, component: predictor}
    {{- if $.standard }}
    matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
{{- end }}
{{- if .model.accelerator }}
{{- with $values.gpu.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.gpu.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.gpu.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end }}
{{- if .standard }}
deploymentStrategy:
  type: RollingUpdate
  {{- if .model.accelerator }}
  rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
  {{- else }}
  rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where KServe's agent sends requests; it holds them in memory, so answers go along only where others may listen. */}}
{{- define "arthaflow.logger" -}}
{{- $detectors := .root.Values.detectors -}}
{{- $namespace := .root.Release.Namespace -}}
{{- if eq $detectors.sink "broker" -}}
mode: all
url: http://broker-ingress.knative-eventing.svc.cluster.local/{{ $namespace }}/{{ $detectors.broker }}
{{- else -}}
mode: request
url: http://{{ .model.base }}-detector-predictor.{{ $namespace }}.svc.cluster.local
{{- end }}
metadataAnnotations: [arthaflow.io/version]
metadataHeaders: [Inference-Header-Content-Length]
{{- end -}}
