-- Raises an error where a call cannot wait for an event loop, because Lua cannot yield there.  An adapter asks before
-- it begins to watch: nothing would end that watch, and luv 1.44 crashes at the end of a program that closed a watcher
-- and did not run the loop again.

local why = "the call cannot wait here: make it in a coroutine that the event loop resumes, and not in a function "
  .. "that C code calls, such as string.gsub's"

return function ()
  if not coroutine.isyieldable() then error(why, 0) end
end
