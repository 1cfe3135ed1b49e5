"""Fares for files of rides, by a lite file. No TFX component, and no TFX: `farelite predict` and services call it.

`scoring` finds and verifies the model and turns a block of rows into predictions; `streaming` does so for files,
`sharded` on a Beam engine, and it alone loads Beam. `served` follows pushed versions, and `server` answers over HTTP.
"""

__all__ = ['scoring', 'served', 'server', 'sharded', 'streaming']
