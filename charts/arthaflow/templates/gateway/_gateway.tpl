{{/* Labels that choose the gateway's pods. */}}
{{- define "arthaflow.gatewaySelector" -}}
app.kubernetes.io/part-of: arthaflow
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end -}}

{{/*
Where the gateway sends a model's requests in Standard mode: the route's Gateway, which splits them between versions, or the one
beside it for callers inside the cluster. Its Service is made by whoever implements the Gateway: Envoy Gateway calls it
envoy-<namespace>-<name>-<hash>; Istio, where its class is `istio`, <name>-istio.
*/}}
{{- define "arthaflow.upstream" -}}
{{- $route := .Values.route -}}
{{- $name := default $route.gateway $route.internal -}}
{{- if .Values.gateway.upstream -}}
{{ .Values.gateway.upstream }}
{{- else if .Values.istio.enabled -}}
http://{{ $name }}-istio.{{ $route.namespace }}.svc.cluster.local
{{- else -}}
{{- $hash := printf "%s/%s" $route.namespace $name | sha256sum | trunc 8 -}}
http://envoy-{{ printf "%s-%s" $route.namespace $name | trunc 48 | trimSuffix "-" }}-{{ $hash }}.envoy-gateway-system.svc.cluster.local
{{- end -}}
{{- end -}}

{{/* The models file, as JSON. In Knative mode a service's own address splits requests between its revisions. */}}
{{- define "arthaflow.gatewayModels" -}}
{{- $entries := dict -}}
{{- range $name, $model := include "arthaflow.models" . | fromJson -}}
  {{- $entry := dict "timeout_s" $model.timeout "explains" $model.explainer "explain_timeout_s" $.Values.explainers.timeout -}}
  {{- if eq $.Values.mode "Standard" -}}
    {{- $_ := set $entry "url" (include "arthaflow.upstream" $) -}}
    {{- $_ := set $entry "host" $model.host -}}
  {{- else -}}
    {{- $first := ternary "transformer" "predictor" $model.transformer -}}
    {{- $_ := set $entry "url" (printf "http://%s-%s.%s.svc.cluster.local" $model.base $first $.Release.Namespace) -}}
    {{- $_ := set $entry "host" (trimPrefix "http://" $entry.url) -}}
    {{- if $model.explainer -}}
      {{- $_ := set $entry "explain_url" (printf "http://%s-explainer.%s.svc.cluster.local" $model.base $.Release.Namespace) -}}
      {{- $_ := set $entry "explain_host" (trimPrefix "http://" $entry.explain_url) -}}
    {{- end -}}
  {{- end -}}
  {{- $_ := set $entries $name $entry -}}
{{- end -}}
{{- dict "models" $entries | toPrettyJson -}}
{{- end -}}
