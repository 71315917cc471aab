#!/bin/sh
# Installs the Debian packages named as arguments (NAME=VERSION), inside the build of an image, and leaves no index and no archive.
set -eu
if [ -s /run/secrets/ca ]; then echo 'Acquire::https::CaInfo "/run/secrets/ca";' > /etc/apt/apt.conf.d/build; fi
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d # packages must not start their services here
chmod +x /usr/sbin/policy-rc.d
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old /etc/apt/apt.conf.d/build /usr/sbin/policy-rc.d
