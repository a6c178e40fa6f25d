// Vercel's AI SDK, over each of the three ways to a model.

import assert from 'node:assert/strict';
import test from 'node:test';

import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateObject, generateText, jsonSchema, streamText, tool } from 'ai';

import { apiKey, embeddingModel, model, parameters, question, url } from './asked.mjs';

const openai = createOpenAI({ baseURL: url, apiKey });
const compatible = createOpenAICompatible({
  name: 'serve', baseURL: url, apiKey, supportsStructuredOutputs: true,
});
const anthropic = createAnthropic({ baseURL: url, apiKey });
const ways = {
  responses: openai.responses(model),
  chat: openai.chat(model),
  compatible: compatible(model),
  anthropic: anthropic(model),
};
const settings = { prompt: question, temperature: 0, maxOutputTokens: 64, maxRetries: 0 };
const get_weather = tool({ description: 'Weather.', inputSchema: jsonSchema(parameters) });

for (const [name, way] of Object.entries(ways)) {
  test(`${name}: whole and streamed are alike`, async () => {
    const whole = await generateText({ model: way, ...settings });
    const streamed = streamText({ model: way, ...settings });
    assert.match(whole.text, /Paris/);
    assert.equal(await streamed.text, whole.text);
  });

  test(`${name}: a call`, async () => {
    const reply = await generateText({
      model: way, ...settings, maxOutputTokens: 128, tools: { get_weather }, toolChoice: 'required',
    });
    assert.equal(reply.toolCalls[0].toolName, 'get_weather');
    assert.deepEqual(Object.keys(reply.toolCalls[0].input).sort(), ['city', 'unit']);
  });
}

for (const name of ['responses', 'chat', 'compatible']) {
  test(`${name}: a form`, async () => {
    const { object } = await generateObject({
      model: ways[name], ...settings, maxOutputTokens: 128, schema: jsonSchema(parameters),
    });
    assert.ok(['Paris', 'Rome', 'Lima'].includes(object.city));
  });
}

test('embeddings', async () => {
  const { embeddings } = await embedMany({
    model: openai.textEmbeddingModel(embeddingModel), values: ['one', 'two'],
  });
  assert.equal(embeddings.length, 2);
});
