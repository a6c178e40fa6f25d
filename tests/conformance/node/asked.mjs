// What every SDK is made to ask, and where.

export const root = process.env.CONFORMANCE_URL;
export const url = `${root}/v1`;
export const apiKey = process.env.CONFORMANCE_KEY;
export const model = process.env.CONFORMANCE_MODEL;
export const embeddingModel = process.env.CONFORMANCE_EMBEDDING_MODEL;
export const question = 'Name the capital of France.';
export const parameters = {
  type: 'object',
  properties: {
    city: { type: 'string', enum: ['Paris', 'Rome', 'Lima'] },
    unit: { type: 'string', enum: ['celsius', 'fahrenheit'] },
  },
  required: ['city', 'unit'],
  additionalProperties: false,
};
