-- Real proxies on loopback, each as its users configure it: forward proxies, which carry CONNECT, and reverse proxies,
-- which stand before the emulator. A row of `forward` or `reverse` is one program; proxies.start runs it.

local debian = require "peers.debian"
local socket = require "cqueues.socket"
local t = require "loopback.support"

local proxies = {}

-- squid and Apache refuse to be root, or give up its rights and with them their files: root is another user to them.
local as_user = "$([ $(id -u) = 0 ] && echo unshare --user --map-user=1000 --map-group=1000) "
local can_be_user = os.execute "[ $(id -u) != 0 ] || unshare --user --map-user=1000 true 2>/dev/null"

-- A row: `package` of Debian, `without` (what need not be unpacked), `run` and `ready` (its command, and the text that
-- it prints when it listens), `version` (a command), `file` (its configuration), `alternative` (the program's name in
-- the package, where that differs since Debian 13). In all of them $NAME stands for one of these:
--   $place    where the package is unpacked; "" where it is installed
--   $folder   a folder of its own, with cert.pem, key.pem and both.pem
--   $port     where it listens
--   $far      port of the emulator, which speaks TLS
--   $dead     port where nobody listens, and where a forward proxy may connect to
--   $more     what a test adds

local squid = [[
http_port 127.0.0.1:$port
pid_filename none
access_log none
cache deny all
cache_mem 0
netdb_filename none
unlinkd_program $place/usr/lib/squid/unlinkd
pinger_enable off
coredump_dir $folder
visible_hostname squid.local
mime_table $place/usr/share/squid/mime.conf
icon_directory $place/usr/share/squid/icons
error_directory $place/usr/share/squid/errors/templates
shutdown_lifetime 0 seconds
acl reachable port $far $dead
$more
http_access allow reachable
http_access deny all
]]

local tinyproxy = [[
Port $port
Listen 127.0.0.1
Timeout 60
MaxClients 100
LogLevel Info
Allow 127.0.0.1
ConnectPort $far
ConnectPort $dead
$more
]]

local apache = [[
ServerRoot $folder
ServerName localhost
Listen 127.0.0.1:$port
PidFile $folder/pid
ErrorLog /dev/stderr
DefaultRuntimeDir $folder
LoadModule authz_core_module $place/usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module $place/usr/lib/apache2/modules/mod_authz_user.so
LoadModule authn_core_module $place/usr/lib/apache2/modules/mod_authn_core.so
LoadModule authn_file_module $place/usr/lib/apache2/modules/mod_authn_file.so
LoadModule auth_basic_module $place/usr/lib/apache2/modules/mod_auth_basic.so
LoadModule filter_module $place/usr/lib/apache2/modules/mod_filter.so
LoadModule deflate_module $place/usr/lib/apache2/modules/mod_deflate.so
LoadModule proxy_module $place/usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_connect_module $place/usr/lib/apache2/modules/mod_proxy_connect.so
LoadModule proxy_http_module $place/usr/lib/apache2/modules/mod_proxy_http.so
LoadModule socache_shmcb_module $place/usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module $place/usr/lib/apache2/modules/mod_ssl.so
LoadModule http2_module $place/usr/lib/apache2/modules/mod_http2.so
StartServers 1
]]

local function mpm(name)
  return ("LoadModule mpm_%s_module $place/usr/lib/apache2/modules/mod_mpm_%s.so\n"):format(name, name)
end

-- At its end it sends a signal to its whole process group.
local apache_run = "setsid " .. as_user .. "$place/usr/sbin/apache2 -DFOREGROUND -f $folder/file"

proxies.forward = {
  squid = { package = "squid", alternative = "squid-gnutls", without = { "*/squid-langpack/[!t]*", "./usr/bin/*",
      "*/perl/*", "*/perl5/*", "*/perl-base/*", "./usr/share/doc/*", "./usr/share/man/*" },
    run = as_user .. "$place/usr/sbin/squid -N -d1 -f $folder/file", ready = "Accepting HTTP Socket connections",
    version = "$place/usr/sbin/squid -v", file = squid,
    password = "auth_param basic program /bin/sed -u s/^user.right$/OK/;t;s/.*/ERR/\nacl known proxy_auth REQUIRED\n"
      .. "http_access deny !known" },
  tinyproxy = { package = "tinyproxy-bin", run = "$place/usr/bin/tinyproxy -d -c $folder/file",
    ready = "Accepting connections", version = "$place/usr/bin/tinyproxy -v", file = tinyproxy,
    password = "BasicAuth user right" },
  apache = { package = "apache2-bin", run = apache_run, ready = "resuming normal operations",
    version = "$place/usr/sbin/apache2 -v",
    file = mpm "prefork" .. apache .. "ProxyRequests On\nAllowCONNECT $far $dead\n<Proxy *>\n$more\n</Proxy>\n",
    password = "AuthType Basic\nAuthName proxy\nAuthUserFile $folder/passwords\nRequire valid-user" },
  mitmproxy = { package = "mitmproxy", without = { "./usr/share/*" },
    run = "env PYTHONPATH=$place/usr/lib/python3/dist-packages PYTHONUNBUFFERED=1 /usr/bin/python3 "
      .. "$place/usr/bin/mitmdump --listen-host 127.0.0.1 --listen-port $port --set confdir=$folder "
      .. "--set ssl_insecure=true $more",
    ready = "listening at", version = "env PYTHONPATH=$place/usr/lib/python3/dist-packages /usr/bin/python3 "
      .. "$place/usr/bin/mitmdump --version", file = "",
    password = "--proxyauth user:right", ca_file = "mitmproxy-ca-cert.pem" },
}

local nginx = [[
daemon off;
worker_processes 1;
pid $folder/pid;
error_log stderr notice;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path $folder/tmp;
  proxy_temp_path $folder/tmp;
  fastcgi_temp_path $folder/tmp;
  uwsgi_temp_path $folder/tmp;
  scgi_temp_path $folder/tmp;
  gzip on;
  gzip_types *;
  gzip_proxied any;
  gzip_min_length 1;
  server {
    listen 127.0.0.1:$port ssl http2;
    ssl_certificate $folder/cert.pem;
    ssl_certificate_key $folder/key.pem;
    location / {
      proxy_pass https://127.0.0.1:$far;
      $more
    }
  }
}
]]

local haproxy = [[
global
  stats timeout 30s
defaults
  mode http
  retries 0
  timeout connect 30s
  timeout client 60s
  timeout server 60s
  compression algo gzip
  compression type application/json
frontend front
  bind 127.0.0.1:$port ssl crt $folder/both.pem alpn h2,http/1.1
  default_backend emulator
backend emulator
  $more
  server one 127.0.0.1:$far ssl verify none
]]

local caddy = [[
{
  admin off
  auto_https off
  storage file_system $folder/data
}
https://127.0.0.1:$port {
  bind 127.0.0.1
  tls $folder/cert.pem $folder/key.pem
  encode gzip
  reverse_proxy https://127.0.0.1:$far {
    $more
    transport http {
      tls_insecure_skip_verify
    }
  }
}
]]

-- `kept`: what has it pass on the Host header; `foreign`: what has it name the emulator itself there. moves_location:
-- it then writes its own address into the answer's Location. takes_long: it passes on a head of 20,000 bytes.
proxies.reverse = {
  nginx = { package = "nginx-light", run = "$place/usr/sbin/nginx -p $folder -c $folder/file -e stderr",
    ready = 'using the "epoll"', version = "$place/usr/sbin/nginx -v", file = nginx,
    kept = "proxy_set_header Host $http_host;", foreign = "", moves_location = true },
  haproxy = { package = "haproxy", run = "$place/usr/sbin/haproxy -W -db -f $folder/file", ready = "Loading success",
    version = "$place/usr/sbin/haproxy -v", file = haproxy, kept = "",
    foreign = "http-request set-header Host 127.0.0.1:$far" },
  caddy = { package = "caddy", run = "env HOME=$folder $place/usr/bin/caddy run --adapter caddyfile "
      .. "--config $folder/file", ready = "serving initial configuration",
    version = "env HOME=$folder $place/usr/bin/caddy version", file = caddy,
    kept = "header_up Host {http.request.hostport}", foreign = "header_up Host 127.0.0.1:$far", takes_long = true },
  nghttpx = { package = "nghttp2-proxy",
    run = "$place/usr/sbin/nghttpx --conf=/dev/null --single-process -L NOTICE -f 127.0.0.1,$port "
      .. "-b '127.0.0.1,$far;;tls' --insecure $more $folder/key.pem $folder/cert.pem",
    ready = "Listening on", version = "$place/usr/sbin/nghttpx --version", file = "", kept = "",
    foreign = "--host-rewrite", moves_location = true,
    takes_long = true },
  apache = { package = "apache2-bin", run = apache_run, ready = "resuming normal operations",
    version = "$place/usr/sbin/apache2 -v", file = mpm "event" .. apache .. [[
SSLSessionCache none
SSLEngine on
SSLCertificateFile $folder/cert.pem
SSLCertificateKeyFile $folder/key.pem
Protocols h2 http/1.1
SSLProxyEngine on
SSLProxyVerify none
SSLProxyCheckPeerName off
SSLProxyCheckPeerExpire off
SetOutputFilter DEFLATE
ProxyPass / https://127.0.0.1:$far/ nocanon
$more
]], kept = "ProxyPreserveHost On", foreign = "" },
}

local function filled(text, names)
  return (text:gsub("%$([a-z]+)", function (name) return names[name] end))
end

-- The libraries that were unpacked with it; in the machine's own folders there is nothing to add.
local function within(place, command)
  if place == "" then return command end
  return ("env LD_LIBRARY_PATH=$(echo %s/usr/lib/*-linux-gnu) %s"):format(place, command)
end

local make_certificate = "mkdir -p %s/tmp && cd %s && openssl req -x509 -newkey ec "
  .. "-pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=front -addext subjectAltName=IP:127.0.0.1 "
  .. "-keyout key.pem -out cert.pem 2>/dev/null && cat cert.pem key.pem >both.pem && "
  .. "printf 'user:%%s\\n' \"$(openssl passwd -apr1 right)\" >passwords"

local function path_of(row) return (row.version:match "%$place(/usr/s?bin/%S+)") end

-- Makes the link that the package's installation would make.
local function choose(row)
  local program = row.place .. path_of(row)
  assert(os.execute(("[ -e %s ] || ln -sf %s %s"):format(program, row.alternative, program)))
end

-- Where it is unpacked, or nil and why it is not.
function proxies.place(row)
  if not row.place then
    local installed = t.program(path_of(row))
    if row.run:find(as_user, 1, true) and not can_be_user then
      row.why_not = "root may not be another user here (unshare --user)"
    elseif installed then
      row.place = ""
    else
      row.place, row.why_not = debian.unpacked(row.package, row.without)
      if row.place and row.alternative then choose(row) end
    end
  end
  return row.place, row.why_not
end

-- Its own word for its version.
function proxies.version(row)
  local names = { place = proxies.place(row), folder = t.new_path "version" }
  assert(os.execute("mkdir " .. names.folder))
  local command = filled(within(names.place, row.version), names)
  local pipe <close> = io.popen(("unset LD_PRELOAD; { %s; } 2>&1"):format(command))
  return pipe:read "a":match "%d+%.%d[%d.]*"
end

local function is_open(port)
  local sock = socket.connect { host = "127.0.0.1", port = port }
  sock:onerror(function (_, _, why) return why end)
  local connected = sock:connect(t.hang)
  sock:close()
  return connected
end

-- Starts it in front of the port `far` on 127.0.0.1, for one test or with scope "file" for all of a file. Returns it
-- with its port, the port `dead`, and the ca_file that its clients need.
function proxies.start(row, far, more, scope)
  local names = { place = proxies.place(row), folder = t.new_path "proxy", port = t.free_port(), far = far,
    dead = t.free_port() }
  names.more = filled(more or "", names)
  assert(os.execute(make_certificate:format(names.folder, names.folder)))
  t.write(names.folder .. "/file", filled(row.file, names))
  local self = assert(t.daemon(filled(within(names.place, row.run), names), row.ready, scope))
  t.await("the port", function () return is_open(names.port) end) -- squid says that it is ready just before
  self.port, self.dead, self.ca_file = names.port, names.dead, ("%s/%s"):format(names.folder, row.ca_file or "cert.pem")
  return self
end

return proxies
