"""The API of IaC Dharma, `dharma.io/v1alpha1`: typed models of its four kinds, and the generator of their CRDs."""

GROUP = "dharma.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "dharma"
