"""CRDs and reference pages from the models: one source, so that what is documented is what is checked."""
