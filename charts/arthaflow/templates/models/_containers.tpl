{{/* Labels of an InferenceService. KServe copies them to its pods, so nothing here changes with the chart's version: that would restart every model. */}}
{{- define "arthaflow.serviceLabels" -}}
app.kubernetes.io/part-of: arthaflow
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
arthaflow.io/model: {{ .model.base }}
{{- end -}}

{{/* Name of the release's ClusterStorageContainer, which belongs to the whole cluster. Whoever fetches an artifact names it: KServe's own "default" fits the address as well, and which of two KServe takes is left to chance. */}}
{{- define "arthaflow.storageContainer" -}}
{{- printf "arthaflow-%s-%s" .Release.Namespace .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What a container may do: nothing but read, write to /tmp, and listen. */}}
{{- define "arthaflow.securityContext" -}}
runAsNonRoot: true
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Fields of a pod that every component has: (dict "root" $ "grace" seconds). */}}
{{- define "arthaflow.pod" -}}
serviceAccountName: arthaflow-models
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- if .standard }}
terminationGracePeriodSeconds: {{ .grace }}
securityContext:
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 1Gi}
{{- end -}}

{{/*
Fields of a container that every component has:
(dict "root" $ "model" .. "standard" bool "cpu" .. "memory" .. "accelerator" .. "startup" seconds).
KServe fills in a limit of one core where none is given, so the limit is always given.
*/}}
{{- define "arthaflow.container" -}}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
readinessProbe:
  httpGet: {path: /v2/models/{{ .model.name }}/ready, port: 8080}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 3
startupProbe:
  httpGet: {path: /v2/models/{{ .model.name }}/ready, port: 8080}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: {{ div .startup 2 }}
livenessProbe:
  httpGet: {path: /v2/health/live, port: 8080}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- if .standard }}
lifecycle:
  preStop:
    sleep: {seconds: 10}
{{- end }}
resources:
  requests: {cpu: {{ .cpu | quote }}, memory: {{ .memory }}}
  limits:
    cpu: {{ .cpu | quote }}
    memory: {{ .memory }}
    {{- with .accelerator }}
    {{ . }}: "1"
    {{- end }}
securityContext:
  {{- include "arthaflow.securityContext" . | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
{{- end -}}
