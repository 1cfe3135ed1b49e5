"""The study: what each technique is worth, measured by cross-validation. No TFX component, and no TFX.

`cross_validation` divides and scores, `blocks` says what is compared, `unit_store` keeps what is measured, `engine`
runs what is missing, `results` sums up.
"""
