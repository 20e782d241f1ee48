# An agent of a vendor, whose package registers it with a program of its own.
umask 077
mkdir -p /etc/vendor
/usr/bin/vendor-register --offline --out=/etc/vendor/agent.id
