-- The verbs, in the order of help. Each is a file of azpec.cli.verbs.
return {
  { "See", "status", "list", "show", "watch", "drift", "report" },
  { "Decide", "approve", "reject", "delete" },
  { "Decide on many", "auto", "plan", "apply" },
  { "Wait", "wait", "resume" },
  { "Prove", "journal", "doctor" },
  { "More", "emulator", "completion", "help" },
}
