"""Writes two versions of a small Llama with random weights and a word-level tokenizer: FIRST SECOND. Nothing is downloaded.

Run by the Python of the virtual environment that holds vLLM.
"""
import os
import sys

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = 1024


def write(directory, **sizes):
    torch.manual_seed(0)
    words = ["<unk>", "<s>", "</s>"] + [f"w{i}" for i in range(WORDS - 3)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>",
                            eos_token="</s>").save_pretrained(directory)
    config = LlamaConfig(vocab_size=WORDS, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
                         bos_token_id=1, eos_token_id=2, **sizes)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(directory)
    for name in os.listdir(directory):
        os.chmod(os.path.join(directory, name), 0o644)  # another user serves it, too


first, second = sys.argv[1:]
write(first, hidden_size=256, intermediate_size=688, num_hidden_layers=4)
write(second, hidden_size=192, intermediate_size=512, num_hidden_layers=3)
