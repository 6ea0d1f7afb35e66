;; Counts the newlines of a region, 16 bytes at a time.
;; Compiled into count-lines-bytes.ts; a test checks that the two match.

(module
  (import "env" "memory" (memory 1))

  ;; Returns how many newlines are in [at, end). Reads up to 15 bytes beyond `end`.
  (func (export "count") (param $at i32) (param $end i32) (result i32)
    (local $lines i32)
    (local $rest i32)
    (local $bits i32)
    (local $newlines v128)

    (local.set $newlines (i8x16.splat (i32.const 10)))
    (block $done
      (loop $vector
        (local.set $rest (i32.sub (local.get $end) (local.get $at)))
        (br_if $done (i32.le_s (local.get $rest) (i32.const 0)))
        (local.set $bits (i8x16.bitmask (i8x16.eq (v128.load (local.get $at)) (local.get $newlines))))
        ;; Newlines beyond the end do not count.
        (if (i32.lt_u (local.get $rest) (i32.const 16))
          (then
            (local.set $bits
              (i32.and
                (local.get $bits)
                (i32.sub (i32.shl (i32.const 1) (local.get $rest)) (i32.const 1))))))
        (local.set $lines (i32.add (local.get $lines) (i32.popcnt (local.get $bits))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $vector)))
    (local.get $lines)))
