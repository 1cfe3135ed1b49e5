"""The fare model as TFLite files: conversion, inspection, and the client that runs them."""

__all__ = [
  'client',
  'columns',
  'conversion',
  'flatbuffer',
  'inspection',
  'interpreter',
  'messages',
  'microcontroller',
  'process',
  'rides',
  'variants',
]
