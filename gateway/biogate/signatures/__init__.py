"""Electronic signatures: changes that somebody signs for, and a second person approves.

21 CFR 11.50 (meaning, name, time), 11.70 (bound to the record), 11.200 (password at signing);
EU Annex 11, 14.
"""
