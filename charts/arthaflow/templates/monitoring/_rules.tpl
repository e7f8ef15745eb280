{{/*
One group of a file of rules/, as YAML: (dict "root" $ "file" "serving" "more" dict). Every @key@ of the file is a value of
monitoring.rules or of "more"; @key%@ is the same as a percentage. An alert gets the channel that its severity is routed to, and the address of its section in the
runbook. The files are plain Prometheus rules, because Prometheus templates its annotations with the same braces as Helm.
*/}}
{{- define "arthaflow.ruleGroup" -}}
{{- $root := .root -}}
{{- $monitoring := $root.Values.monitoring -}}
{{- $channels := dict "critical" "pagerduty" "warning" "email" "info" "slack" -}}
{{- $path := printf "rules/%s.yaml" .file -}}
{{- $text := $root.Files.Get $path -}}
{{- range $key, $value := merge (dict "namespace" $root.Release.Namespace) .more $monitoring.rules -}}
  {{- $text = replace (printf "@%s@" $key) (toString $value) $text -}}
  {{- if not (kindIs "string" $value) }}{{ $text = replace (printf "@%s%%@" $key) (printf "%g %%" (mulf $value 100)) $text }}{{ end -}}
{{- end -}}
{{- $group := fromYaml $text -}}
{{- if hasKey $group "Error" }}{{ fail (printf "%s cannot be read: %s" $path $group.Error) }}{{ end -}}
{{- range $rule := $group.rules -}}
  {{- if $rule.alert -}}
    {{- $_ := set $rule.labels "channel" (get $channels $rule.labels.severity) -}}
    {{- $_ := set $rule.annotations "runbook_url" (printf "%s#%s" $monitoring.runbook (lower $rule.alert)) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $group -}}
{{- end -}}

{{/* Labels of an object that prometheus-operator picks up by monitoring.labels. */}}
{{- define "arthaflow.monitored" -}}
{{ include "arthaflow.labels" . }}
{{- with .Values.monitoring.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
