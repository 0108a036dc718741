#!/bin/sh
# Makes clip.ivf and clip.ogg: ten seconds of test pattern with a running clock, and a note at every second.
# Needs ffmpeg with libvpx, libopus and freetype, and the DejaVu fonts. Both files are in the repository; run this to change them.
#
# Every second begins with a key frame and with a note's silence before it, so the server can loop the clip, and jump to any
# second of it when a viewer asks for a key frame, without a glitch in picture or sound.
set -eu
cd "$(dirname "$0")"

seconds=10
mono='font=DejaVu Sans Mono'
sans='font=DejaVu Sans'
clock='%{eif\:mod(t,60)\:d\:2}'
tenths='.%{eif\:floor(mod(n,30)/3)\:d}'

ffmpeg -hide_banner -loglevel error -y \
  -f lavfi -i "color=c=0x101820:s=640x360:r=30:d=$seconds" \
  -f lavfi -i "color=c=0x58c4b4:s=640x8:r=30:d=$seconds" \
  -f lavfi -i "pal75bars=s=640x28:r=30:d=$seconds" \
  -filter_complex "
    [0][2]overlay=0:276[bars];
    [bars][1]overlay=x='-640+640*(n+1)/(30*$seconds)':y=306[hand];
    [hand]drawgrid=x=-1:y=-1:w=64:h=72:t=1:c=white@0.12:replace=0[grid];
    [grid]drawtext=$mono:text='$clock':fontsize=132:fontcolor=white:x=161:y=98,
    drawtext=$mono:text='$tenths':fontsize=132:fontcolor=0x58c4b4:x=320:y=98,
    drawtext=$sans:text='petrel':fontsize=22:fontcolor=white@0.9:x=24:y=24,
    drawtext=$sans:text='VP8 640×360 30 fps · Opus':fontsize=16:fontcolor=white@0.6:x=w-tw-24:y=26,
    drawtext=$sans:text='frame %{eif\:n\:d\:3}':fontsize=16:fontcolor=white@0.6:x=24:y=326" \
  -an -c:v libvpx -deadline best -cpu-used 0 -auto-alt-ref 0 -lag-in-frames 0 -error-resilient 1 \
  -g 30 -keyint_min 30 -b:v 230k -maxrate 400k -bufsize 300k -qmin 4 -qmax 50 clip.ivf

# A major pentatonic scale, up and down: one note a second, decaying, with 5 ms of attack.
note='440*pow(2,(2*mod(floor(t),5)+gt(mod(floor(t),5),2))/12)'
ffmpeg -hide_banner -loglevel error -y \
  -f lavfi -i "aevalsrc='0.35*min(1,200*mod(t,1))*exp(-7*mod(t,1))*(sin(2*PI*$note*t)+0.3*sin(4*PI*$note*t))':s=48000:d=$seconds" \
  -c:a libopus -b:a 24k -vbr off -frame_duration 20 -application audio clip.ogg
ls -l clip.ivf clip.ogg
