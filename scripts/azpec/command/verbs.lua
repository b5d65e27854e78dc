-- The verbs, in the order in which help shows them; each is a file of azpec.verbs.
return {
  { "See", "list" },
  { "Decide", "approve", "reject" },
  { "Decide on many", "auto", "plan", "apply" },
  { "Prove", "audit", "doctor" },
  { "Else", "help" },
}
