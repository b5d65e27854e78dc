// check.js FILE: exit code 0 where the file is an HTTP Archive as har-validator's schema has it.
'use strict';
const { readFileSync } = require('fs');
const { createRequire } = require('module');
const validator = createRequire(process.cwd() + '/')('har-validator');

validator.har(JSON.parse(readFileSync(process.argv[2], 'utf8'))).catch((error) => {
  console.error(JSON.stringify(error.errors));
  process.exit(1);
});
