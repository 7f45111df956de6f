#!/usr/bin/env bash
# From nothing to a training that survives: a GPU machine on AWS EC2, for as long as it trains.
#
#   scripts/gpu_box.sh train spade --profile gpu    machine, course, training; the same line goes on
#   scripts/gpu_box.sh log                          what it says; Ctrl-C stops listening only
#   scripts/gpu_box.sh fetch                        its runs/ comes here
#   scripts/gpu_box.sh ssh [COMMAND...]             a shell in the course's folder, or one command
#   scripts/gpu_box.sh stop                         saves and stops; the disk stays and costs little
#   scripts/gpu_box.sh down                         fetches, then ends the machine and its disk
#
# Options, before the verb:
#   --dry-run        says every command and does none
#   --type TYPE      the machine (g5.xlarge: one GPU with 24 GB; g5.12xlarge: four of them)
#   --disk GB        of its disk (100)
#   --name NAME      of the machine, if you want several (five-painters)
#   --key FILE       your ssh key (~/.ssh/id_ed25519), whose .pub lies beside it
#   --region REGION  of AWS (the one of `aws configure`)
#   --spot           cheaper, and stopped when others pay more; it goes on by itself later
#
# The machine stops by itself when the training is done. Whenever it is stopped it saves first, and
# whenever it starts it goes on: the training is a systemd service.
set -euo pipefail

dry='' type=g5.xlarge disk=100 name=five-painters key="$HOME/.ssh/id_ed25519" region='' spot=''
image=/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id
home=/home/ubuntu/five-painters

stop_with() { # a message, and what to do about it
    printf '%s\n' "gpu_box: $1" "  To mend it: $2" >&2
    exit 2
}

exec 3>&1 # where a dry run speaks, also inside $(...)
show() { printf '+ %s\n' "$(printf '%q ' "$@")" >&3; }

say() { # what was done; a dry run has done nothing
    [ "$dry" ] || echo "$*"
}

run() { # does a command, or shows it
    if [ "$dry" ]; then show "$@"; else "$@"; fi
}

ask() { # like run, for a command whose answer is needed; a dry run answers with the first word
    local answer=$1
    shift
    if [ "$dry" ]; then show "$@" && echo "$answer"; else "$@"; fi
}

# --- what must be there on this side ---

check_here() {
    [ "$dry" ] && return
    command -v aws >/dev/null ||
        stop_with "there is no command aws" "install AWS's command line, https://aws.amazon.com/cli"
    command -v ssh >/dev/null || stop_with "there is no command ssh" "install OpenSSH's client"
    [ -r "$key" ] && [ -r "$key.pub" ] ||
        stop_with "there is no ssh key $key with $key.pub" "ssh-keygen -t ed25519, or --key FILE"
    aws sts get-caller-identity >/dev/null 2>&1 ||
        stop_with "AWS does not know who you are" "aws configure, or aws sso login"
    [ "${AWS_REGION:-${AWS_DEFAULT_REGION:-}}" ] || aws configure get region >/dev/null ||
        stop_with "no region is chosen" "--region eu-central-1, or aws configure"
}

# --- the machine ---

find_box() { # sets id and state: of the machine that bears our name; both empty if there is none
    local pretend='i-example running'
    [ "$verb" != train ] || pretend='' # a dry run of train begins with nothing
    read -r id state < <(ask "$pretend" aws ec2 describe-instances --output text \
        --filters "Name=tag:Name,Values=$name" \
        "Name=instance-state-name,Values=pending,running,stopping,stopped" \
        --query 'Reservations[].Instances[].[InstanceId,State.Name]' | head -n 1) || true
}

rent() {
    local ami market=()
    ami=$(ask ami-example aws ssm get-parameter --name "$image" \
        --query Parameter.Value --output text)
    run aws ec2 import-key-pair --key-name "$name" --public-key-material "fileb://$key.pub" ||
        say_known "key pair"
    run aws ec2 create-security-group --group-name "$name" --description "ssh to $name" ||
        say_known "security group"
    if [ "$spot" ]; then
        market=(--instance-market-options
            'MarketType=spot,SpotOptions={SpotInstanceType=persistent,InstanceInterruptionBehavior=stop}')
    fi
    id=$(ask i-example aws ec2 run-instances --image-id "$ami" --instance-type "$type" \
        --key-name "$name" --security-groups "$name" --count 1 \
        --block-device-mappings "DeviceName=/dev/sda1,Ebs={VolumeSize=$disk,VolumeType=gp3}" \
        --instance-initiated-shutdown-behavior stop --metadata-options HttpTokens=required \
        --tag-specifications "ResourceType=instance,Tags=[{Key=Name,Value=$name}]" \
        ${market[@]+"${market[@]}"} --query 'Instances[0].InstanceId' --output text) ||
        stop_with "AWS gave no $type" "another --type or --region; a new account must first ask for \
GPUs, in Service Quotas under 'Running On-Demand G and VT instances'"
}

say_known() { echo "gpu_box: no new $1; if there is one already, all is well" >&2; }

open_door() { # ssh from this address, which may have changed since yesterday
    local me
    me=$(ask 203.0.113.7 curl -fsS https://checkip.amazonaws.com)
    run aws ec2 authorize-security-group-ingress --group-name "$name" --protocol tcp --port 22 \
        --cidr "$me/32" || say_known "rule for this address"
}

wake() { # a machine that runs and listens; sets host
    find_box
    case $state in
    '') rent ;;
    stopping)
        run aws ec2 wait instance-stopped --instance-ids "$id"
        run aws ec2 start-instances --instance-ids "$id"
        ;;
    stopped) run aws ec2 start-instances --instance-ids "$id" ;;
    esac
    open_door
    run aws ec2 wait instance-status-ok --instance-ids "$id"
    find_host
}

find_host() {
    host=$(ask 203.0.113.8 aws ec2 describe-instances --instance-ids "$id" --output text \
        --query 'Reservations[0].Instances[0].PublicIpAddress')
}

must_be_there() { # sets id; stops if there is no machine
    find_box
    [ "$id" ] || stop_with "there is no machine $name" "scripts/gpu_box.sh train PAINTER"
}

on_box() { # a command there; what it needs comes by stdin
    run ssh -i "$key" -o StrictHostKeyChecking=accept-new -o ServerAliveInterval=30 \
        "ubuntu@$host" "$@"
}

# --- the verbs ---

train() {
    [ $# -gt 0 ] || stop_with "train what?" "scripts/gpu_box.sh train dcgan --profile gpu"
    wake
    copy_course
    on_box "sudo apt-get update -q && sudo apt-get install -qy make python3-venv"
    on_box "cd $home && make env && .venv/bin/course doctor"
    start_service "$@"
    say "it trains; scripts/gpu_box.sh log listens, scripts/gpu_box.sh fetch brings the runs"
}

copy_course() { # the working tree as it is, without what the machine makes itself
    local leave=(--exclude=.git --exclude=.venv --exclude=runs --exclude=datasets '--exclude=.*_cache')
    if [ "$dry" ]; then
        show tar -C "$here" "${leave[@]}" -cz . "|" ssh "ubuntu@$host" tar -xzC "$home"
    else
        tar -C "$here" "${leave[@]}" -cz . | on_box "mkdir -p $home && tar -xzC $home"
    fi
}

start_service() { # goes on after a crash, a reboot, a stop; SIGTERM lets a round end and saves
    local command
    command=$(printf '%q ' .venv/bin/course train "$@")
    put "$home/train.sh" <<<"$command && sudo systemctl poweroff"
    put /etc/systemd/system/course.service <<END
[Unit]
Description=course train
After=network-online.target
StartLimitIntervalSec=3600
StartLimitBurst=5

[Service]
User=ubuntu
WorkingDirectory=$home
ExecStart=/bin/bash train.sh
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=2
TimeoutStopSec=300

[Install]
WantedBy=multi-user.target
END
    on_box "sudo systemctl daemon-reload && sudo systemctl enable course && sudo systemctl restart course"
}

put() { # writes stdin to a file there
    local text
    text=$(cat)
    on_box "sudo tee $1 >/dev/null" <<<"$text"
    if [ "$dry" ]; then sed 's/^/    /' <<<"$text"; fi
}

log() {
    must_be_there
    find_host
    on_box "journalctl -u course -n 50 -f"
}

fetch() {
    must_be_there
    wake
    if [ "$dry" ]; then
        show ssh "ubuntu@$host" "tar -C $home -cz runs" "|" tar -xzC "$here"
    else # a file that grows meanwhile is no failure: tar then says 1
        on_box "tar -C $home -cz runs || [ \$? = 1 ]" | tar -xzC "$here"
    fi
    say "the machine's runs are in $here/runs"
}

shell() {
    must_be_there
    wake
    if [ $# -gt 0 ]; then
        on_box -t "cd $home && PATH=$home/.venv/bin:\$PATH $(printf '%q ' "$@")"
    else
        on_box -t "cd $home && exec bash"
    fi
}

stop() {
    must_be_there
    run aws ec2 stop-instances --instance-ids "$id"
    say "it saves and stops; scripts/gpu_box.sh train ... goes on. Its disk still costs a little"
}

down() {
    fetch
    run aws ec2 terminate-instances --instance-ids "$id"
    run aws ec2 wait instance-terminated --instance-ids "$id"
    run aws ec2 delete-security-group --group-name "$name"
    run aws ec2 delete-key-pair --key-name "$name"
    say "nothing is left there, and nothing costs"
}

here=$(cd "$(dirname "$0")/.." && pwd)
while [[ ${1:-} == --* ]]; do
    case $1 in
    --dry-run) dry=yes ;;
    --spot) spot=yes ;;
    --type | --disk | --name | --key | --region)
        [ $# -gt 1 ] || stop_with "$1 needs a value" "$1 VALUE"
        declare "${1#--}=$2"
        shift
        ;;
    *) stop_with "there is no option $1" "sed -n 2,22p $0 shows what there is" ;;
    esac
    shift
done
[ -z "$region" ] || export AWS_REGION="$region" AWS_DEFAULT_REGION="$region"

verb=${1:-}
case $verb in
train | log | fetch | stop | down | ssh)
    shift
    check_here
    [ "$verb" != ssh ] || verb=shell
    "$verb" "$@"
    ;;
*) stop_with "there is no verb '$verb'" "train, log, fetch, ssh, stop, down; sed -n 2,22p $0" ;;
esac
