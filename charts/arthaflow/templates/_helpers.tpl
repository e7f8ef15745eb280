{{/* The name of a model as Kubernetes takes it: price_forecast -> price-forecast. */}}
{{- define "arthaflow.base" -}}
{{- . | replace "_" "-" | lower -}}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "arthaflow.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/part-of: arthaflow
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* The image of a role: (dict "root" $ "role" "predictor-tabular"); a "tag" wins over a digest. */}}
{{- define "arthaflow.image" -}}
{{- $images := .root.Values.images -}}
{{- $digest := get $images.digests .role -}}
{{- if .tag -}}
{{ $images.registry }}/{{ .role }}:{{ .tag }}
{{- else if $digest -}}
{{ $images.registry }}/{{ .role }}@{{ $digest }}
{{- else -}}
{{ $images.registry }}/{{ .role }}:{{ $images.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}
