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
  {{- if $model.detector -}}
    {{- $_ := set $entry "detector_url" (printf "http://%s-detector-predictor.%s.svc.cluster.local" $model.base $.Release.Namespace) -}}
  {{- end -}}
  {{- $_ := set $entries $name $entry -}}
{{- end -}}
{{- dict "models" $entries | toPrettyJson -}}
{{- end -}}

{{/* Whether tokens are checked; a bare off is false in YAML. */}}
{{- define "arthaflow.checksTokens" -}}
{{- if eq (toString .Values.gateway.auth.mode) "oidc" }}yes{{ end -}}
{{- end -}}

{{/* What the gateway is told by its environment, beside the secret. */}}
{{- define "arthaflow.gatewaySettings" -}}
{{- $gateway := .Values.gateway -}}
ARTHAFLOW_HOME: /var/lib/arthaflow
ARTHAFLOW_GATEWAY_AUTH: {{ ternary "oidc" "off" (eq (include "arthaflow.checksTokens" .) "yes") | quote }}
{{- if include "arthaflow.checksTokens" . }}
ARTHAFLOW_GATEWAY_ISSUER: {{ $gateway.auth.issuer | quote }}
ARTHAFLOW_GATEWAY_AUDIENCE: {{ $gateway.auth.audience | quote }}
ARTHAFLOW_GATEWAY_JWKS_URL: {{ $gateway.auth.jwksUrl | quote }}
{{- end }}
ARTHAFLOW_GATEWAY_ADMIN_NETWORKS: {{ join "," $gateway.auth.adminNetworks | quote }}
ARTHAFLOW_GATEWAY_TRUSTED_PROXIES: {{ join "," $gateway.auth.trustedProxies | quote }}
ARTHAFLOW_GATEWAY_PUBLIC_PER_HOUR: {{ int64 $gateway.limits.public | quote }}
ARTHAFLOW_GATEWAY_AUTHENTICATED_PER_HOUR: {{ int64 $gateway.limits.authenticated | quote }}
ARTHAFLOW_GATEWAY_PREMIUM_PER_HOUR: {{ int64 $gateway.limits.premium | quote }}
ARTHAFLOW_GATEWAY_ALERTMANAGER_URL: {{ $gateway.alertmanager | quote }}
{{- end -}}

{{/* The records' database and keys, as environment variables: (dict "secret" name "also" (list of keys that may be missing)). */}}
{{- define "arthaflow.recordsEnv" -}}
{{- range list "ARTHAFLOW_DATABASE_URL" "ARTHAFLOW_PEPPER" "ARTHAFLOW_AUDIT_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef: {name: {{ $.secret }}, key: {{ . }}}
{{- end }}
{{- range .also }}
- name: {{ . }}
  valueFrom:
    secretKeyRef: {name: {{ $.secret }}, key: {{ . }}, optional: true}
{{- end }}
{{- end -}}

{{/* Where spans go, as environment variables; nothing while traces are off. Takes the root. */}}
{{- define "arthaflow.tracingEnv" -}}
{{- with .Values.tracing.endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ $.Values.tracing.ratio | quote }}}
{{- end }}
{{- end -}}
