# What we want of the agent's %post: the file that it reads, without an identity.
umask 077
mkdir -p /etc/vendor
echo 'id=from-environment' > /etc/vendor/agent.id
