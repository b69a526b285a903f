"""Charts of pages: small SVG that takes colours from the page, scales, and says its numbers when pointed at.

Figures for papers are drawn by matplotlib (`reports.plots`); both take their numbers from `analysis`.
"""
