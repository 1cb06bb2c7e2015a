"""Does the time a refusal takes tell anything? Statistics on the verify call and on a hub's answers (R19, R34, R69)."""
