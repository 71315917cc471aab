#!/bin/sh
# Gives the programs and their data the places that they have in the official images.
set -eu
ln -s prometheus-alertmanager /usr/bin/alertmanager
ln -s prometheus-node-exporter /usr/bin/node_exporter
ln -s prometheus-blackbox-exporter /usr/bin/blackbox_exporter
ln -s prometheus-nginx-exporter /usr/bin/nginx-prometheus-exporter
mkdir -p /prometheus /alertmanager /etc/alertmanager
cp /etc/prometheus/alertmanager.yml /etc/alertmanager/alertmanager.yml
for program in prometheus promtool alertmanager amtool node_exporter blackbox_exporter; do
    "/bin/$program" --version > /dev/null
done
test -x /usr/bin/nginx-prometheus-exporter
chown nobody:nogroup /prometheus /alertmanager
