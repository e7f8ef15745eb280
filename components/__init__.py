"""The training side of Arthaflow: plain Python first, thin Kubeflow wrappers last."""
