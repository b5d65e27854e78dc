-- The verbs, in the order in which help shows them; each is a file of azpec.verbs.
return {
  { "See", "list", "show", "watch" },
  { "Decide", "approve", "reject", "delete" },
  { "Decide on many", "auto", "plan", "apply" },
  { "Wait", "wait", "resume" },
  { "Prove", "audit", "doctor" },
  { "Else", "emulator", "completion", "help" },
}
