;; Writes one websocket text frame (RFC 6455, 5.2) per line of a region, 16 bytes at a time.
;; Compiled into framing-kernel-bytes.ts; a test checks that the two match.

(module
  (import "env" "memory" (memory 1))

  ;; Frames the whole lines in [from, end) and puts the frames at `to`.
  ;; Stores at address 0 a value other than 0 if a byte may be 0x80 or above. Returns the end of the frames.
  (func (export "frame") (param $from i32) (param $end i32) (param $to i32) (result i32)
    (local $at i32)       ;; where the search for the line's end has come to
    (local $put i32)      ;; where the next vector is written
    (local $head i32)     ;; expected length of the frame header
    (local $need i32)     ;; actual length of the frame header
    (local $length i32)   ;; of the line, without its terminator
    (local $bits i32)     ;; newlines in the current vector
    (local $bytes v128)   ;; the current vector
    (local $seen v128)    ;; all vectors so far, or'ed
    (local $newlines v128)

    (local.set $newlines (i8x16.splat (i32.const 10)))
    (local.set $head (i32.const 2))
    ;; A newline at the end stops every search.
    (i32.store8 (local.get $end) (i32.const 10))

    (block $done
      (loop $line
        (local.set $at (local.get $from))
        ;; The header comes before the length is known: expect it to be as long as that of the line before.
        (local.set $put (i32.add (local.get $to) (local.get $head)))
        (loop $vector
          (local.set $bytes (v128.load (local.get $at)))
          (v128.store (local.get $put) (local.get $bytes))
          (local.set $seen (v128.or (local.get $seen) (local.get $bytes)))
          (local.set $put (i32.add (local.get $put) (i32.const 16)))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (local.set $bits (i8x16.bitmask (i8x16.eq (local.get $bytes) (local.get $newlines))))
          (br_if $vector (i32.eqz (local.get $bits))))
        (local.set $at
          (i32.add (i32.sub (local.get $at) (i32.const 16)) (i32.ctz (local.get $bits))))
        (br_if $done (i32.eq (local.get $at) (local.get $end)))

        ;; Without the newline, and without one carriage return before it.
        (local.set $length (i32.sub (local.get $at) (local.get $from)))
        (if (local.get $length)
          (then
            (local.set $length
              (i32.sub
                (local.get $length)
                (i32.eq (i32.load8_u (i32.sub (local.get $at) (i32.const 1))) (i32.const 13))))))

        (local.set $need
          (select
            (select (i32.const 2) (i32.const 4) (i32.lt_u (local.get $length) (i32.const 126)))
            (i32.const 10)
            (i32.lt_u (local.get $length) (i32.const 65536))))
        ;; The header has another length than expected: move the payload.
        (if (i32.ne (local.get $need) (local.get $head))
          (then
            (memory.copy
              (i32.add (local.get $to) (local.get $need))
              (i32.add (local.get $to) (local.get $head))
              (local.get $length))
            (local.set $head
              (select (local.get $need) (i32.const 4) (i32.lt_u (local.get $need) (i32.const 4))))))

        ;; 0x81: a whole text message. The length is big-endian.
        (block $framed
          (if (i32.eq (local.get $need) (i32.const 2))
            (then
              (i32.store16
                (local.get $to)
                (i32.or (i32.shl (local.get $length) (i32.const 8)) (i32.const 0x81)))
              (br $framed)))
          (if (i32.eq (local.get $need) (i32.const 4))
            (then
              (i32.store
                (local.get $to)
                (i32.or
                  (i32.or
                    (i32.shl (i32.shr_u (local.get $length) (i32.const 8)) (i32.const 16))
                    (i32.shl (local.get $length) (i32.const 24)))
                  (i32.const 0x7e81)))
              (br $framed)))
          (i32.store (local.get $to) (i32.const 0x7f81))
          (i32.store16 (i32.add (local.get $to) (i32.const 4)) (i32.const 0))
          (i32.store
            (i32.add (local.get $to) (i32.const 6))
            (i32.or
              (i32.or
                (i32.shr_u (local.get $length) (i32.const 24))
                (i32.and (i32.shr_u (local.get $length) (i32.const 8)) (i32.const 0xff00)))
              (i32.or
                (i32.and (i32.shl (local.get $length) (i32.const 8)) (i32.const 0xff0000))
                (i32.shl (local.get $length) (i32.const 24))))))

        (local.set $to (i32.add (i32.add (local.get $to) (local.get $need)) (local.get $length)))
        (local.set $from (i32.add (local.get $at) (i32.const 1)))
        (br $line)))

    (i32.store (i32.const 0) (i8x16.bitmask (local.get $seen)))
    (local.get $to)))
