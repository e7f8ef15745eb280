{{/* Where a URL leads, as JSON: namespace (empty outside the cluster), port. Takes the root's release for names without a dot. */}}
{{- define "arthaflow.address" -}}
{{- $url := .url -}}
{{- $authority := first (splitList "/" (regexReplaceAll "^https?://" $url "")) -}}
{{- $port := int (default (ternary "443" "80" (hasPrefix "https://" $url)) (trimPrefix ":" (regexFind ":[0-9]+$" $authority))) -}}
{{- $parts := splitList "." (regexReplaceAll ":[0-9]+$" $authority "") -}}
{{- $namespace := "" -}}
{{- if eq (len $parts) 1 -}}
  {{- $namespace = .root.Release.Namespace -}}
{{- else if and (ge (len $parts) 3) (eq (index $parts 2) "svc") -}}
  {{- $namespace = index $parts 1 -}}
{{- end -}}
{{- dict "namespace" $namespace "port" $port | toJson -}}
{{- end -}}

{{/* One egress rule to where a URL leads: (dict "root" $ "url" .. "called" "storage.endpoint"). */}}
{{- define "arthaflow.egressTo" -}}
{{- $address := include "arthaflow.address" . | fromJson -}}
{{- $cidrs := .root.Values.networkPolicy.egressCIDRs -}}
{{- if not (or $address.namespace $cidrs) -}}
  {{- fail (printf "%s is %s, which is outside the cluster, and networkPolicy.egressCIDRs is empty: list its address ranges there, or set networkPolicy.enabled: false." .called (default "the public S3" .url)) -}}
{{- end -}}
- to:
    {{- if $address.namespace }}
    {{- include "arthaflow.namespacePeers" (list $address.namespace) | nindent 4 }}
    {{- else }}
    {{- range $cidrs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
    {{- end }}
  ports: [{port: {{ $address.port }}, protocol: TCP}]
{{- end -}}

{{/* Peers of a NetworkPolicy: every pod of these namespaces. */}}
{{- define "arthaflow.namespacePeers" -}}
- namespaceSelector:
    matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [{{ join ", " (uniq .) }}]}]
{{- end -}}

{{/* Namespaces whose proxies bring requests, as JSON: the route's Gateway, and with Knative its activator. */}}
{{- define "arthaflow.doors" -}}
{{- $namespaces := .Values.networkPolicy.ingressNamespaces -}}
{{- if eq .Values.mode "Knative" -}}
  {{- $namespaces = concat $namespaces (list "knative-serving") -}}
{{- end -}}
{{- toJson $namespaces -}}
{{- end -}}

{{/* The ports of those proxies' pods: their Services' port 80 is 80 or 8080 there, with Envoy Gateway 10080, with Knative 8081 or 8012. */}}
{{- define "arthaflow.doorPorts" -}}
{{- $ports := list 80 8080 10080 -}}
{{- if eq .Values.mode "Knative" }}{{ $ports = concat $ports (list 8081 8012) }}{{ end -}}
{{- with .Values.gateway.upstream }}{{ $ports = append $ports ((include "arthaflow.address" (dict "root" $ "url" .) | fromJson).port | int) }}{{ end -}}
[{{ range $i, $port := uniq $ports }}{{ if $i }}, {{ end }}{port: {{ $port }}, protocol: TCP}{{ end }}]
{{- end -}}

{{/* Pods of InferenceServices by KServe's label: (list "predictor"). Detectors are predictors too, but for arthaflow.io/role. */}}
{{- define "arthaflow.components" -}}
matchLabels: {app.kubernetes.io/part-of: arthaflow}
matchExpressions:
  - {key: component, operator: In, values: [{{ join ", " . }}]}
  - {key: arthaflow.io/role, operator: DoesNotExist}
{{- end -}}

{{/* Metadata of an object of this chart: (dict "root" $ "name" ..). */}}
{{- define "arthaflow.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "arthaflow.labels" .root | nindent 2 }}
{{- end -}}
