/* What stands around a program in its runtime. worker.py puts it on one line, so that no line of a program is that one.
   Whatever is needed behind the program is taken before it, since it may put something else in its place. */
(function (source, names) {
  const program = new Function(names, source);
  if (typeof program !== "function") throw new SyntaxError("unbalanced brackets");

  return function (text, isLong) {
    const { parse, stringify, rawJSON } = JSON;
    const { isInteger, isSafeInteger } = Number;
    /* Integers that a Number cannot hold come in, and go out, as BigInt. */
    const exact = (key, value, { source }) =>
      typeof value === "number" && !isSafeInteger(value) && /^-?[0-9]+$/.test(source) ? BigInt(source) : value;
    BigInt.prototype.toJSON = function () {
      if (BigInt.asIntN(64, this) != this && BigInt.asUintN(64, this) != this)
        throw new RangeError("a BigInt has more than 64 bits");
      return rawJSON(this);
    };
    /* Numbers as large go out with a point: the last digits of a double are not to be read as an integer's. */
    const pointed = (key, value) =>
      isInteger(value) && !isSafeInteger(value) && value < 1e21 && value > -1e21 ? rawJSON(value + ".0") : value;

    const result = program(...(isLong ? parse(text, exact) : parse(text)));
    if (result instanceof Promise) throw new TypeError("a promise is no result");
    const json = stringify(result);
    return /[0-9]{16}/.test(json) ? stringify(result, pointed) : json;
  };
})
