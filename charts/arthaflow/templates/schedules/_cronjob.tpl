{{/*
One schedule: (dict "root" $ "model" name "base" .. "graph" "train" "cron" .. "params" (dict ..)). The pod only hands the graph to
Kubeflow, which runs it; it needs no rights in the cluster.
*/}}
{{- define "arthaflow.cronjob" -}}
{{- $values := .root.Values -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  {{- include "arthaflow.metadata" (dict "root" .root "name" (printf "%s-%s" .base .graph)) | nindent 2 }}
    arthaflow.io/model: {{ .base }}
    app.kubernetes.io/component: schedule
spec:
  schedule: {{ .cron | quote }}
  timeZone: {{ $values.schedules.timeZone }}
  concurrencyPolicy: Forbid
  # A time that was missed for longer than this is not caught up: the next run takes all data until then anyway.
  startingDeadlineSeconds: 600
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 3
      activeDeadlineSeconds: 900
      ttlSecondsAfterFinished: 604800
      template:
        metadata:
          labels:
            app.kubernetes.io/part-of: arthaflow
            app.kubernetes.io/instance: {{ .root.Release.Name }}
            app.kubernetes.io/component: schedule
            arthaflow.io/model: {{ .base }}
        spec:
          restartPolicy: Never
          serviceAccountName: arthaflow-schedules
          automountServiceAccountToken: false
          enableServiceLinks: false
          securityContext:
            runAsNonRoot: true
            seccompProfile: {type: RuntimeDefault}
          {{- with $values.images.pullSecrets }}
          imagePullSecrets:
            {{- range . }}
            - name: {{ . }}
            {{- end }}
          {{- end }}
          containers:
            - name: submit
              image: {{ include "arthaflow.image" (dict "root" .root "role" "train-tabular") }}
              imagePullPolicy: {{ $values.images.pullPolicy }}
              command: [arthaflow, submit, {{ .model }}]
              args:
                - --graph={{ .graph }}
                - --host=$(ARTHAFLOW_KFP_HOST)
                - --experiment={{ $values.kubeflow.experiment }}
                # A Job that is tried again finds the run that its first attempt started.
                - --name={{ .graph }} {{ .model }} $(JOB)
                - --once
                {{- range $key, $value := .params }}
                - --param={{ $key }}={{ $value }}
                {{- end }}
              env:
                - name: JOB
                  valueFrom:
                    fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}
                - {name: ARTHAFLOW_KFP_HOST, value: {{ $values.kubeflow.host | quote }}}
                - {name: ARTHAFLOW_IMAGE_REGISTRY, value: {{ $values.images.registry | quote }}}
                - {name: ARTHAFLOW_IMAGE_TAG, value: {{ $values.images.tag | default .root.Chart.AppVersion | quote }}}
                - {name: ARTHAFLOW_SERVICE_ACCOUNT, value: {{ $values.kubeflow.serviceAccount }}}
                {{- if $values.kubeflow.multiUser }}
                - {name: ARTHAFLOW_KFP_NAMESPACE, value: {{ $values.kubeflow.namespace }}}
                {{- end }}
                - {name: ARTHAFLOW_HOME, value: /tmp/arthaflow}
                - {name: HOME, value: /tmp}
              resources:
                requests: {cpu: 100m, memory: 512Mi}
                limits: {memory: 1Gi}
              securityContext:
                {{- include "arthaflow.securityContext" .root | nindent 16 }}
              volumeMounts:
                - {name: tmp, mountPath: /tmp}
                {{- if $values.kubeflow.multiUser }}
                - {name: token, mountPath: /var/run/secrets/kubeflow/pipelines, readOnly: true}
                {{- end }}
          volumes:
            {{- if $values.kubeflow.multiUser }}
            # For the Pipelines API alone; Kubernetes refuses it.
            - name: token
              projected:
                sources:
                  - serviceAccountToken: {path: token, audience: pipelines.kubeflow.org, expirationSeconds: 3600}
            {{- end }}
            - name: tmp
              emptyDir: {sizeLimit: 256Mi}
{{- end -}}
