"""The pipeline that handles every protocol request. It depends on no protocol and on no protocol library."""
