"""SIP: identifies, authenticates, registers, messages, refers and qualifies (serves PJSIP)."""
