"""The pipeline that every protocol request goes down. It knows no protocol and no library of one."""
