{{/*
The catalogue: what `make manifests` wrote of every model, served or not, by name. Returns JSON.
*/}}
{{- define "arthaflow.catalogue" -}}
{{- .Files.Get "models.yaml" | fromYaml | toJson -}}
{{- end -}}

{{/*
The models that are served: those whose values name a version. Takes the root, returns JSON, worked out once per rendering:

  {{- range $name, $model := include "arthaflow.models" . | fromJson }}

Every key of models.yaml (base, title, owner, room, role, runtime, cpu, memory, minReplicas, maxReplicas, timeout, batching,
maxBatch, featureService, slo, rollout, schedule, training), overruled by values where they may, and
  name         as on the protocol: price_forecast
  host         price-forecast.<domain>; empty in Knative mode
  image        of the predictor
  accelerator  resource name of the GPU or MIG profile it gets; empty for none
  explainer, detector, transformer    whether it gets one
  stable       version, artifact (ends with a slash), service (name of its InferenceService)
  canary       the same and percent; not there while nothing is rolled out
  tracks       list of stable and, if there is one, canary
  decidedBy    rollout: the ConfigMap <base>-rollout in the cluster; values: nothing was rolled out yet
*/}}
{{- define "arthaflow.models" -}}
{{- if not (hasKey . "ArthaflowModels") -}}
{{- $known := include "arthaflow.catalogue" . | fromJson -}}
{{- $served := dict -}}
{{- range $name, $values := .Values.models -}}
  {{- if not (hasKey $known $name) -}}
    {{- fail (printf "models.%s: the catalogue has no such model; it has %s." $name (keys $known | sortAlpha | join ", ")) -}}
  {{- end -}}
  {{- $values = $values | default dict -}}
  {{- if $values.version -}}
    {{- $model := include "arthaflow.model" (dict "root" $ "name" $name "spec" (get $known $name) "values" $values) | fromJson -}}
    {{- $_ := set $served $name $model -}}
  {{- else if or $values.artifact $values.canary -}}
    {{- fail (printf "models.%s has an artifact or a canary but no version; `arthaflow values %s --version V` prints all of it." $name $name) -}}
  {{- end -}}
{{- end -}}
{{- $_ := set . "ArthaflowModels" (toJson $served) -}}
{{- end -}}
{{- .ArthaflowModels -}}
{{- end -}}

{{/* One served model as JSON: (dict "root" $ "name" .. "spec" .. "values" ..). */}}
{{- define "arthaflow.model" -}}
{{- $root := .root -}}
{{- $spec := deepCopy .spec -}}
{{- $asked := dict "explainer" $spec.explainer "detector" $spec.detector "transformer" (ne $spec.featureService "") -}}
{{- $own := pick .values "minReplicas" "maxReplicas" "cpu" "memory" "timeout" -}}
{{- $model := omit $spec "accelerator" "explainer" "detector" -}}
{{- $_ := set $model "name" .name -}}
{{- range $key, $value := $own }}{{ $_ := set $model $key $value }}{{ end -}}
{{- if and (hasKey $own "minReplicas") (not (hasKey $own "maxReplicas")) -}}
  {{- $_ := set $model "maxReplicas" (max $model.minReplicas $model.maxReplicas) -}}
{{- end -}}
{{- $_ := set $model "host" (ternary (printf "%s.%s" $model.base $root.Values.domain) "" (eq $root.Values.mode "Standard")) -}}
{{- range $part, $has := $asked -}}
  {{- $_ := set $model $part (eq "true" (include "arthaflow.part" (dict "root" $root "name" $.name "part" $part "asked" $has "values" $.values))) -}}
{{- end -}}
{{- $_ := set $model "accelerator" (include "arthaflow.accelerator" (dict "root" $root "name" .name "spec" $spec "values" .values)) -}}
{{- $tag := ternary $root.Values.gpu.tag "" (ne $model.accelerator "") -}}
{{- $_ := set $model "image" (include "arthaflow.image" (dict "root" $root "role" $model.role "tag" $tag)) -}}
{{- $tracks := include "arthaflow.tracks" (dict "root" $root "name" .name "base" $model.base "values" .values) | fromJson -}}
{{- merge $model $tracks | toJson -}}
{{- end -}}

{{/* Whether a model gets an explainer, a detector or a transformer: the spec asks, values may say no. */}}
{{- define "arthaflow.part" -}}
{{- $all := (get .root.Values (printf "%ss" .part)).enabled -}}
{{- $own := get .values .part -}}
{{- if and (kindIs "bool" $own) $own -}}
  {{- if not .asked -}}
    {{- fail (printf "models.%s.%s is true, but the model's spec asks for none." .name .part) -}}
  {{- else if not $all -}}
    {{- fail (printf "models.%s.%s is true while %ss.enabled is false; set that to true." .name .part .part) -}}
  {{- end -}}
{{- end -}}
{{- and .asked $all (not (and (kindIs "bool" $own) (not $own))) -}}
{{- end -}}

{{/* The resource name of the accelerator that a model gets; empty for none. */}}
{{- define "arthaflow.accelerator" -}}
{{- $gpu := .root.Values.gpu -}}
{{- $wanted := or .spec.accelerator .values.gpuResource -}}
{{- if kindIs "bool" .values.gpu }}{{ $wanted = .values.gpu }}{{ end -}}
{{- if and $wanted (not $gpu.enabled) -}}
  {{- fail (printf "The model %s asks for an accelerator while gpu.enabled is false; set gpu.enabled: true, or models.%s.gpu: false to serve it on CPUs." .name .name) -}}
{{- end -}}
{{- if $wanted }}{{ coalesce .values.gpuResource $gpu.resource .spec.accelerator "nvidia.com/gpu" }}{{ end -}}
{{- end -}}

{{/*
Which versions serve, as JSON with stable, canary, tracks and decidedBy. What a rollout wrote into the cluster wins over
values, so that an upgrade never undoes it; `helm template` and GitOps see values alone.
*/}}
{{- define "arthaflow.tracks" -}}
{{- $data := (lookup "v1" "ConfigMap" .root.Release.Namespace (printf "%s-rollout" .base)).data | default dict -}}
{{- $values := .values -}}
{{- $stable := dict "version" $values.version "artifact" $values.artifact -}}
{{- $canary := $values.canary | default dict -}}
{{- $decidedBy := "values" -}}
{{- if $data.stable -}}
  {{- $decidedBy = "rollout" -}}
  {{- $stable = dict "version" $data.stable "artifact" $data.stable_artifact -}}
  {{- $canary = dict -}}
  {{- if $data.canary -}}
    {{- $canary = dict "version" $data.canary "artifact" $data.canary_artifact "percent" (int ($data.percent | default "0")) -}}
  {{- end -}}
{{- end -}}
{{- $common := dict "root" .root "name" .name "base" .base -}}
{{- $first := include "arthaflow.track" (merge (dict "track" $stable "at" "") $common) | fromJson -}}
{{- $tracks := list $first -}}
{{- $result := dict "stable" $first "decidedBy" $decidedBy -}}
{{- if $canary.version -}}
  {{- $second := include "arthaflow.track" (merge (dict "track" $canary "at" ".canary") $common) | fromJson -}}
  {{- if eq $first.version $second.version -}}
    {{- fail (printf "models.%s: version %s is stable and canary at once; name another version, or take the canary away." .name $first.version) -}}
  {{- end -}}
  {{- if and (eq .root.Values.mode "Standard") (eq $first.artifact $second.artifact) -}}
    {{- fail (printf "models.%s: the versions %s and %s have the same artifact %s." .name $first.version $second.version $first.artifact) -}}
  {{- end -}}
  {{- $tracks = append $tracks $second -}}
  {{- $_ := set $result "canary" $second -}}
{{- end -}}
{{- $_ := set $result "tracks" $tracks -}}
{{- toJson $result -}}
{{- end -}}

{{/* One version, checked: (dict "root" $ "name" .. "base" .. "track" (dict "version" .. "artifact" ..) "at" ".canary"). */}}
{{- define "arthaflow.track" -}}
{{- $where := printf "models.%s%s" .name .at -}}
{{- $version := toString .track.version -}}
{{- if not .track.artifact -}}
  {{- fail (printf "%s names version %s but no artifact; `arthaflow values %s --version %s` prints it." $where $version .name $version) -}}
{{- end -}}
{{- if not (hasPrefix "s3://" .track.artifact) -}}
  {{- fail (printf "%s.artifact is %s, which KServe cannot fetch; give an s3:// address." $where .track.artifact) -}}
{{- end -}}
{{- $artifact := printf "%s/" (trimSuffix "/" .track.artifact) -}}
{{- $store := printf "%s/" (trimSuffix "/" .root.Values.storage.uri) -}}
{{- if not (hasPrefix $store $artifact) -}}
  {{- fail (printf "%s.artifact %s does not lie in storage.uri %s, whose endpoint and credentials it is fetched with; set storage.uri to where it lies." $where $artifact $store) -}}
{{- end -}}
{{- if eq $artifact $store -}}
  {{- fail (printf "%s.artifact is the whole store %s; give the folder of one version." $where $store) -}}
{{- end -}}
{{- $service := ternary .base (printf "%s-v%s" .base $version) (eq .root.Values.mode "Knative") -}}
{{- if gt (len $service) 40 -}}
  {{- fail (printf "%s: %s has %d characters, and KServe needs room for its suffixes; 40 is the most." $where $service (len $service)) -}}
{{- end -}}
{{- dict "version" $version "artifact" $artifact "service" $service "percent" (int (.track.percent | default 0)) | toJson -}}
{{- end -}}
