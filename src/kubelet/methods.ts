/** Makes the methods of a .proto known to grpc-js. */
import { type DescMessage, type DescMethod, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf'
import {
  Client,
  type ClientOptions,
  credentials,
  logVerbosity,
  type MethodDefinition,
  setLogVerbosity,
} from '@grpc/grpc-js'

// What goes wrong is in the callbacks; by itself grpc-js writes it to stderr, too.
setLogVerbosity(logVerbosity.NONE)

type Codec<Desc extends DescMessage> = {
  readonly toBytes: (message: MessageShape<Desc>) => Buffer
  readonly fromBytes: (bytes: Buffer) => MessageShape<Desc>
}

const codecOf = <Desc extends DescMessage>(desc: Desc): Codec<Desc> => ({
  toBytes: (message) => Buffer.from(toBinary(desc, message)),
  fromBytes: (bytes) => fromBinary(desc, bytes),
})

/** A method of a generated service, with the types of its messages. */
export type Method<In extends DescMessage, Out extends DescMessage> = DescMethod & {
  readonly input: In
  readonly output: Out
}

/** The name of a method on the wire. */
const pathOf = ({ parent, name }: DescMethod): string => `/${parent.typeName}/${name}`

/** A method as a server of grpc-js wants it. */
export function methodDefinition<In extends DescMessage, Out extends DescMessage>(
  method: Method<In, Out>,
): MethodDefinition<MessageShape<In>, MessageShape<Out>> {
  const [input, output] = [codecOf(method.input), codecOf(method.output)]
  return {
    path: pathOf(method),
    requestStream: false,
    responseStream: method.methodKind === 'server_streaming',
    requestSerialize: input.toBytes,
    requestDeserialize: input.fromBytes,
    responseSerialize: output.toBytes,
    responseDeserialize: output.fromBytes,
  }
}

/** A client of whoever listens at a unix socket. Close it. */
export const clientAt = (socketPath: string, options: ClientOptions = {}): Client =>
  new Client(`unix://${socketPath}`, credentials.createInsecure(), options)

/** Asks once. @throws Error of grpc-js when there is no answer in time, or a refusal */
export function ask<In extends DescMessage, Out extends DescMessage>(
  client: Client,
  method: Method<In, Out>,
  request: MessageShape<In>,
  timeoutMs: number,
): Promise<MessageShape<Out>> {
  const [input, output] = [codecOf(method.input), codecOf(method.output)]
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      pathOf(method),
      input.toBytes,
      output.fromBytes,
      request,
      { deadline: Date.now() + timeoutMs },
      (error, answer) => (answer ? resolve(answer) : reject(error ?? new Error(`no answer to ${method.name}`))),
    )
  })
}
