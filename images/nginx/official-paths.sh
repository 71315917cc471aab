#!/bin/sh
# Gives nginx the user, the log targets and the folders that it has in the official image.
set -eu
groupadd --system --gid 101 nginx
useradd --system --gid nginx --uid 101 --no-create-home --home-dir /nonexistent --shell /bin/false nginx
rm -rf /etc/nginx/sites-available /etc/nginx/sites-enabled
mkdir -p /var/cache/nginx /etc/nginx/conf.d
ln -sf /dev/stdout /var/log/nginx/access.log
ln -sf /dev/stderr /var/log/nginx/error.log
cp /build/nginx.conf /etc/nginx/nginx.conf
cp /build/default.conf /etc/nginx/conf.d/default.conf
nginx -t -q
