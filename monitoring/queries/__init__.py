"""Every PromQL expression, as a named function, by what it tells of.

`chosen` narrows an engine's series: label matchers as PromQL writes them, such as `model_name=~"$model"`; empty means all.
Metric names are those of the catalogue (monitoring/metrics); `versions.fitting` gives an older engine its own.
"""
