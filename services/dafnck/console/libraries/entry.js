// What the console uses of its libraries.

export { createFileRegistry, fromBinary, fromJson, getOption, ScalarType, toJson } from "@bufbuild/protobuf";
export { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
export { Code, ConnectError } from "@connectrpc/connect";
export { createGrpcWebTransport } from "@connectrpc/connect-web";
export { Graph, layout } from "@dagrejs/dagre";
export { default as htm } from "htm";
export { h, render } from "preact";
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
