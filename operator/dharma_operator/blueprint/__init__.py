"""The shell around the Blueprint's pure functions: looks at the data services, acts on them, and reports."""
