"""The Open Inference Protocol v2 over REST, for tritonclient, KServe and MLServer clients:
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""
